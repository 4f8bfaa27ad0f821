"""Energies of layers over a clock as a heat map: grey where a layer has exactly none, white where none is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pcsim.figures.axes import log_ticks, plain_number
from pcsim.figures.layer_lines import drawable
from pcsim.typing import NDArray


def colour_ends_of(energies: Sequence[NDArray[np.float64]]) -> tuple[float, float] | None:
    """Return the smallest energy above zero and the largest one of some arrays, None where there is none."""
    found = [drawable(energy) for energy in energies]
    positive = np.concatenate([energy[np.isfinite(energy)] for energy in found]) if found else np.empty(0)
    return (float(positive.min()), float(positive.max())) if positive.size else None


def draw_heat(
    axes: Any, clock: NDArray[np.float64], energy: NDArray[np.float64], ends: tuple[float, float] | None
) -> Any:
    """Draw energies (row, layer) over the clock (row,) in colours with these ends; return what `draw_bar` takes."""
    from matplotlib.colors import ListedColormap, LogNorm

    low, high = ends or (0.1, 1.0)
    signal = np.ma.masked_where(~(energy > 0), energy)
    cells = _edges(clock), np.arange(energy.shape[1] + 1) - 0.5
    norm = LogNorm(low, high if high > low else 10 * low)
    mesh = axes.pcolormesh(*cells, signal.T, norm=norm, cmap="viridis")
    axes.set_ylabel("layer (input to output)")
    axes.yaxis.get_major_locator().set_params(integer=True)
    if (silent := energy == 0).any():
        axes.pcolormesh(*cells, np.ma.masked_where(~silent, silent).T, cmap=ListedColormap(["0.85"]))
        axes.set_title("grey: exactly zero, no signal", loc="right")
    return mesh


def draw_bar(figure: Any, axes: Any, mesh: Any) -> None:
    """Draw the colours of a heat map beside one panel, or a list of panels that share them."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    bar = figure.colorbar(mesh, ax=axes, ticks=FixedLocator(log_ticks(mesh.norm.vmin, mesh.norm.vmax)))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_major_formatter(FuncFormatter(plain_number))
    bar.set_label("energy")


def _edges(clock: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the borders of heat-map cells around the clock values."""
    if len(clock) == 1:
        return np.array([clock[0] - 0.5, clock[0] + 0.5])
    middle = (clock[1:] + clock[:-1]) / 2
    return np.concatenate([[clock[0]], middle, [clock[-1] + (clock[-1] - middle[-1])]])
