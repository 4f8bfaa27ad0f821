"""Figures of traces: energy of every layer over log steps, as lines and as a heat map; how training went above."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, log_clock, new_figure
from pcsim.figures.completion_plot import draw_completion, has_completion
from pcsim.figures.files import METADATA, write_figure
from pcsim.figures.layer_lines import draw_lines, drawable
from pcsim.figures.own_settings import own_settings
from pcsim.figures.training_plot import by_training, draw_alignment, draw_training, has_alignment, has_training
from pcsim.report.summary import no_rows
from pcsim.trace import Trace
from pcsim.typing import NDArray

if TYPE_CHECKING:
    from pcsim.theory.overlay import Overlay

FAILURES = 6
"""Runs of a study whose failure its figure names."""
FORMATS = {".png": "agg", ".pdf": "pdf", ".svg": "svg"}
"""Endings of figures, and Matplotlib's canvas for each."""


@own_settings()
def plot(traces: Sequence[Trace], path: str | Path, *, theory: bool = False, force: bool = False) -> Path:
    """Draw one row a trace, lines on the left and a heat map on the right, and save it as PNG, PDF or SVG.

    Of a trace with training a row of accuracies or losses and of energies by update comes before that, and one of the
    cosine to backpropagation and of how far weights move, where training compared them. With `theory`, what is known
    without simulating is drawn over the lines. The trace of a study is drawn alone, as its kind says. Raises
    `UsageError` for another ending, a trace that recorded no energies or has no theory, a path that cannot be
    written, or where a file is there that pcsim did not draw, unless `force` allows to replace it.
    """
    target = Path(path)
    check_figure_path(target)
    if any("study" in trace.attributes for trace in traces):
        return save(_draw_study(traces, theory), target, force=force)
    for trace in traces:
        if (theory or not has_training(trace)) and (trace.rows == 0 or len(trace.energy) == 0):
            raise UsageError(f"{trace.path}: {no_rows(trace)}")
    return save(draw(traces, _overlays(traces) if theory else None), target, force=force)


@own_settings()
def save(figure: Any, target: Path, *, force: bool = False) -> Path:
    """Write a matplotlib figure; raise `UsageError` as `plot` does."""
    check_figure_path(target)
    drawn = io.BytesIO()
    suffix = target.suffix.lower()
    figure.savefig(drawn, format=suffix[1:], backend=FORMATS[suffix], metadata=METADATA[suffix], dpi=150)
    write_figure(target, drawn.getvalue(), force=force)
    return target


def check_figure_path(path: Path) -> None:
    """Raise `UsageError` unless the path ends in a figure format and its folder exists."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a figure ends in {', '.join(FORMATS)}; name it so with -o")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist; create it or choose another with -o")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; choose another name with -o")


def draw(traces: Sequence[Trace], overlays: "Sequence[Overlay] | None" = None) -> Any:
    """Return a matplotlib figure with a row of two panels a trace, one overlay a trace over its lines.

    A trace with training has a row for that first, and no other where it recorded no inference; training runs that
    differ in nothing but their seed share it.
    """
    trainings = by_training(traces)
    planned = [(group, kind) for training in trainings for group, kind in _rows(traces, training)]
    figure, rows = new_figure((11, 0.6 + 3.8 * len(planned)), len(planned), 2, squeeze=False)
    for (group, kind), (left, right) in zip(planned, rows, strict=True):
        chosen = [traces[i] for i in group]
        left.set_title(_caption(chosen[0], kind), fontsize=9, loc="left")
        if kind == "training":
            draw_training(left, right, chosen)
        elif kind == "alignment":
            draw_alignment(figure, left, right, chosen)
        elif kind == "completion":
            draw_completion(left, right, chosen[0])
        else:
            _draw_inference(figure, left, right, chosen[0], None if overlays is None else overlays[group[0]])
    return figure


def _rows(traces: Sequence[Trace], training: list[int]) -> list[tuple[list[int], str]]:
    """Return the rows of traces of one training: training together, inference and completion of each on their own."""
    trained = [traces[i] for i in training]
    completed = [([i], "completion") for i in training if has_completion(traces[i])]
    if not has_training(trained[0]):
        return [(training, "inference"), *completed]
    alignment = [(training, "alignment")] if all(map(has_alignment, trained)) else []
    shown = [i for i in training if traces[i].rows and "energy" in traces[i]]
    return [(training, "training"), *alignment, *(([i], "inference") for i in shown), *completed]


def _draw_inference(figure: Any, lines: Any, heat: Any, trace: Trace, overlay: "Overlay | None") -> None:
    clock, energy = np.asarray(trace.steps, dtype=np.float64), np.asarray(trace.energy)
    draw_lines(lines, clock, energy, list(trace.layer_names))
    if overlay is not None:
        _draw_overlay(lines, clock, overlay)
    _draw_heat(figure, heat, clock, energy)
    for axes in (lines, heat):
        log_clock(axes, clock, trace.clock)


def _draw_study(traces: Sequence[Trace], theory: bool) -> Any:
    from pcsim.studies import failures_of, load_kind, results_of

    if len(traces) > 1 or theory:
        named = next(trace.path for trace in traces if "study" in trace.attributes)
        raise UsageError(f"{named} is of a study, which has a figure of its own; draw it alone and without --theory")
    results = results_of(traces[0])
    if not results:
        raise UsageError(f"{traces[0].path}: nothing of the study is finished (status {traces[0].status})")
    figure = load_kind(str(traces[0].attributes["study"])).draw(results)
    title = str(traces[0].attributes.get("title", ""))
    failed = [f"failed: {run}: {why}" for run, why in failures_of(results).items()]
    more = [f"and {len(failed) - FAILURES} more failed"] if len(failed) > FAILURES else []
    wide = int(12 * figure.get_figwidth())
    figure.suptitle("\n".join(as_text(line, wide) for line in (title, *failed[:FAILURES], *more)), fontsize=10)
    return figure


def _overlays(traces: Sequence[Trace]) -> "list[Overlay]":
    from pcsim.theory.overlay import theory_of

    return [theory_of(trace) for trace in traces]


def _caption(trace: Trace, kind: str) -> str:
    title = str(trace.attributes.get("title", "")) or (trace.path.stem if trace.path else "")
    attributes = trace.attributes
    form = f"{attributes['form']} form, " if "form" in attributes else ""
    solver = f"{attributes['solver']}, " if "solver" in attributes else ""
    if kind == "completion":
        return "the first samples; blue: hidden"
    place = f"{attributes['method']}, {form}{solver}{attributes['precision']} on {attributes['backend']}"
    if not has_training(trace):
        return f"{as_text(title, 80)}\n{place}"
    training = f"{as_text(title, 80)}\ntraining: {place}"
    after = f"after training: {place}, seed {attributes['seed']}"
    return {"training": training, "alignment": "weight updates", "inference": after}[kind]


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
    key = Legend(
        axes, lines[:1], [overlay.label], loc="upper left", bbox_to_anchor=(0, -0.14), fontsize=7, frameon=False
    )
    axes.add_artist(key).set_clip_on(False)


def _draw_heat(figure: Any, axes: Any, clock: NDArray[np.float64], energy: NDArray[np.float64]) -> None:
    from matplotlib.colors import LogNorm

    shown = drawable(energy)
    positive = shown[np.isfinite(shown)]
    low, high = (float(positive.min()), float(positive.max())) if positive.size else (0.1, 1.0)
    norm = LogNorm(low, high if high > low else 10 * low)
    signal = np.ma.masked_where(~(energy > 0), energy)
    axes.set_facecolor("0.85")
    mesh = axes.pcolormesh(_edges(clock), np.arange(energy.shape[1] + 1) - 0.5, signal.T, norm=norm, cmap="viridis")
    bar = figure.colorbar(mesh, ax=axes)
    bar.set_label("energy")
    axes.set_ylabel("layer (input to output)")
    axes.yaxis.get_major_locator().set_params(integer=True)
    axes.set_title("grey: exactly zero, no signal", fontsize=9, loc="right")


def _edges(clock: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the borders of heat-map cells around the clock values."""
    if len(clock) == 1:
        return np.array([clock[0] - 0.5, clock[0] + 0.5])
    middle = (clock[1:] + clock[:-1]) / 2
    return np.concatenate([[clock[0]], middle, [clock[-1] + (clock[-1] - middle[-1])]])
