"""The panels of a figure of traces, by name, and the scales that they share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pcsim.figures.axes import log_clock
from pcsim.figures.completion_plot import draw_errors, draw_samples
from pcsim.figures.heat_map import colour_ends_of, draw_bar, draw_heat
from pcsim.figures.layer_lines import draw_lines, drawable
from pcsim.figures.training_plot import draw_change, draw_cosine, draw_curves, draw_updates
from pcsim.trace import Trace
from pcsim.typing import NDArray

if TYPE_CHECKING:
    from pcsim.theory.overlay import Overlay

SHARED = ("curves", "updates", "change", "energy")
"""Panels whose axes have the same ends in all rows."""


class Panels:
    """Draws panels of traces on the axes of a figure, with one overlay a trace where there are any."""

    def __init__(self, figure: Any, traces: Sequence[Trace], overlays: "Sequence[Overlay] | None") -> None:
        self._figure, self._traces, self._overlays = figure, traces, overlays
        self._drawn: dict[str, list[Any]] = {}

    def draw(self, name: str, group: Sequence[int], axes: Any, colours: tuple[float, float] | None = None) -> None:
        """Draw the panel of a name for a group of traces, by their numbers; `colours` are the ends of a heat map."""
        chosen = [self._traces[i] for i in group]
        self._drawn.setdefault(name, []).append(axes)
        match name:
            case "curves":
                draw_curves(axes, chosen)
            case "updates":
                draw_updates(axes, chosen)
            case "cosine":
                draw_cosine(self._figure, axes, chosen)
            case "change":
                draw_change(axes, chosen)
            case "samples":
                draw_samples(axes, chosen[0])
            case "errors":
                draw_errors(axes, chosen[0])
            case "energy":
                _draw_energy(axes, chosen[0], None if self._overlays is None else self._overlays[group[0]])
            case _:
                _draw_heat(self._figure, axes, chosen[0], colours)

    def share_scales(self) -> None:
        """Give panels of the same name and clock the same ends."""
        for name in SHARED:
            rows = self._drawn.get(name, [])
            for label in {axes.get_xlabel() for axes in rows}:
                alike = [axes for axes in rows if axes.get_xlabel() == label]
                for ends, set_ends in (("get_xlim", "set_xlim"), ("get_ylim", "set_ylim")):
                    lows, highs = zip(*(getattr(axes, ends)() for axes in alike), strict=True)
                    for axes in alike:
                        getattr(axes, set_ends)(min(lows), max(highs))


def colour_ends(traces: Sequence[Trace]) -> tuple[float, float] | None:
    """Return the smallest and the largest energy of some traces, None where none has any."""
    return colour_ends_of([np.asarray(trace.energy) for trace in traces if trace.rows and "energy" in trace])


def _draw_energy(axes: Any, trace: Trace, overlay: "Overlay | None") -> None:
    clock, energy = _rows_of(trace)
    draw_lines(axes, clock, energy, list(trace.layer_names))
    if overlay is not None:
        _draw_overlay(axes, clock, overlay)
    log_clock(axes, clock, trace.clock)


def _draw_overlay(axes: Any, clock: NDArray[np.float64], overlay: "Overlay") -> None:
    from matplotlib.legend import Legend
    from matplotlib.patheffects import Normal, Stroke

    shown = drawable(overlay.energy)
    low, high = axes.get_ylim()
    # A white rim keeps the dashes visible on dark lines.
    rim = [Stroke(linewidth=1.4, foreground="white"), Normal()]
    lines = axes.plot(clock, shown, color="black", linestyle=(0, (5, 3)), linewidth=0.7, path_effects=rim)
    # A profile falls without end once its wave has passed: only where each layer's begins is worth the room.
    begins = [column[np.isfinite(column)][0] for column in shown.T if np.isfinite(column).any()]
    axes.set_ylim(min([low, *(0.3 * begin for begin in begins)]), max([high, *(3 * begin for begin in begins)]))
    key = Legend(axes, lines[:1], [overlay.label], loc="upper left", bbox_to_anchor=(0, -0.14), frameon=False)
    axes.add_artist(key).set_clip_on(False)


def _draw_heat(figure: Any, axes: Any, trace: Trace, ends: tuple[float, float] | None) -> None:
    clock, energy = _rows_of(trace)
    draw_bar(figure, axes, draw_heat(axes, clock, energy, ends))
    log_clock(axes, clock, trace.clock)


def _rows_of(trace: Trace) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.asarray(trace.steps, dtype=np.float64), np.asarray(trace.energy)
