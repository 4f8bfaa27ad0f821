"""Layerwise energies of every run as heat maps with one colour scale (EO paper, Fig. 1)."""

from typing import Any

import numpy as np

from pcsim.figures.axes import as_text, new_figure
from pcsim.figures.heat_map import colour_ends_of, draw_bar, draw_heat
from pcsim.studies.energies import compute, require, table
from pcsim.studies.results import Results

__all__ = ["compute", "draw", "require", "table"]


def draw(results: Results) -> Any:
    """Draw a heat map a run over its own steps, all in the same colours."""
    labels, step, energy = (results[name].values for name in ("run", "step", "energy"))
    figure, (panels,) = new_figure((4.4 * len(labels) + 1.2, 4.0), 1, len(labels), squeeze=False, sharey=True)
    ends, mesh = colour_ends_of([energy]), None
    for axes, label, clock, each in zip(panels, labels, step, energy, strict=True):
        rows, layers = np.isfinite(clock), np.isfinite(each).any(axis=0)
        if rows.any():
            mesh = draw_heat(axes, clock[rows], each[rows][:, layers], ends)
        axes.set_xlabel("inference step" if results["step"].unit == "step" else "time")
        axes.set_title(as_text(label), fontsize=9, loc="left")
    if mesh is not None:
        draw_bar(figure, list(panels), mesh)
    return figure
