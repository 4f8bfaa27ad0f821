"""Energies of layers as lines over a clock, coloured from input to output."""

from typing import Any

import numpy as np

from pcsim.figures.axes import as_text
from pcsim.typing import NDArray

OUTPUT = "output"
VERMILION = "#D55E00"
MOST_NAMED = 7
"""Layers in a legend."""


def draw_lines(axes: Any, clock: NDArray[np.float64], energy: NDArray[np.float64], names: list[str]) -> None:
    """Draw the energy of every layer, input to output from dark to light, the output in a colour of its own.

    Zeros leave a gap. Of many layers some are named.
    """
    colours, named = layer_colours(names), set(_spread(len(names)))
    positive = drawable(energy)
    for i, name in enumerate(names):
        shown = positive[:, i]
        single = np.count_nonzero(np.isfinite(shown)) == 1
        axes.plot(
            clock,
            shown,
            color=colours[i],
            linewidth=1.6 if name == OUTPUT else 1.1,
            marker="o" if single else None,
            markersize=3,
            label=as_text(name, 40) if i in named else None,
        )
    axes.set_yscale("log")
    axes.set_ylabel("energy (batch mean)")
    if np.any(energy > 0):
        axes.legend(loc="best")
    axes.grid(alpha=0.2)


def layer_colours(names: list[str]) -> list[Any]:
    """Return a colour a layer: viridis up to a green that stands out from white, vermilion for the output."""
    import matplotlib

    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.85, max(1, len(names))))
    return [VERMILION if name == OUTPUT else colour for name, colour in zip(names, colours, strict=True)]


def _spread(layers: int) -> list[int]:
    """Return which of so many layers a legend names: all, or evenly spaced ones, the last hidden one and the output."""
    if layers <= MOST_NAMED:
        return list(range(layers))
    return [*np.linspace(0, layers - 2, MOST_NAMED - 2).round().astype(int).tolist(), layers - 1]


def drawable(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return energies that a logarithmic axis can show; ticks some decades beyond must not overflow float64."""
    return np.where((energy > 0) & (energy < 1e200), energy, np.nan)
