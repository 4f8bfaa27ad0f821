"""Energies of layers as lines over a clock, coloured from input to output."""

from typing import Any

import numpy as np

from pcsim.figures.axes import as_text
from pcsim.typing import NDArray


def draw_lines(axes: Any, clock: NDArray[np.float64], energy: NDArray[np.float64], names: list[str]) -> None:
    """Draw the energy of every layer, input to output from dark to light; zeros leave a gap."""
    import matplotlib

    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, energy.shape[1]))
    positive = drawable(energy)
    for i, name in enumerate(names):
        shown = positive[:, i]
        single = np.count_nonzero(np.isfinite(shown)) == 1
        labelled = len(names) <= 8 or i in (0, len(names) // 2, len(names) - 1)
        axes.plot(
            clock,
            shown,
            color=colours[i],
            linewidth=1.2,
            marker="o" if single else None,
            markersize=3,
            label=as_text(name, 40) if labelled else None,
        )
    axes.set_yscale("log")
    axes.set_ylabel("energy (batch mean)")
    if np.any(energy > 0):
        axes.legend(fontsize=7, loc="best")
    axes.grid(alpha=0.2)


def drawable(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return energies that a logarithmic axis can show; ticks some decades beyond must not overflow float64."""
    return np.where((energy > 0) & (energy < 1e200), energy, np.nan)
