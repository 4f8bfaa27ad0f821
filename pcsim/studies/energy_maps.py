"""Layerwise energies of every run as heat maps with one colour scale (EO paper, Fig. 1)."""

from typing import Any

import numpy as np

from pcsim.figures.axes import as_text, new_figure
from pcsim.figures.heat_map import colour_ends_of, draw_bar, draw_heat
from pcsim.studies.energies import COLUMNS, compute, require, table
from pcsim.studies.results import Results

__all__ = ["compute", "draw", "require", "table"]


def draw(results: Results) -> Any:
    """Draw a heat map a run over its own steps, all in the same colours."""
    labels, step, energy = (results[name].values for name in ("run", "step", "energy"))
    across = 2 if len(labels) == 4 else min(COLUMNS, len(labels))
    down = -(-len(labels) // across)
    figure, panels = new_figure((4.4 * across + 1.2, 3.7 * down + 0.3), down, across, squeeze=False, sharey=True)
    ends, mesh = colour_ends_of([energy]), None
    for axes, label, clock, each in zip(panels.flat, labels, step, energy, strict=False):
        rows, layers = np.isfinite(clock), np.isfinite(each).any(axis=0)
        if rows.any():
            mesh = draw_heat(axes, clock[rows], each[rows][:, layers], ends)
        axes.set_xlabel("inference step" if results["step"].unit == "step" else "time")
        axes.set_title(as_text(label), fontsize=9, loc="left")
    for axes in panels.flat[len(labels) :]:
        axes.set_axis_off()
    if mesh is not None:
        draw_bar(figure, list(panels.flat), mesh)
    return figure
