"""Figures of traces: energy of every layer over log steps, as lines and as a heat map; how training went above."""

import io
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pcsim.errors import UsageError
from pcsim.figures.axes import as_text, new_figure, plain_log_axes
from pcsim.figures.completion_plot import has_completion
from pcsim.figures.files import METADATA, write_figure
from pcsim.figures.own_settings import own_settings
from pcsim.figures.style import PANELS, SCREEN_WIDTH, Style, style_of
from pcsim.figures.training_plot import by_training, has_alignment, has_training
from pcsim.recorded import called
from pcsim.report.panels import Panels, colour_ends
from pcsim.report.summary import no_rows
from pcsim.trace import Trace, open_trace

if TYPE_CHECKING:
    from pcsim.theory.overlay import Overlay

Plotted: TypeAlias = Trace | str | Path
SCREEN = Style()
LETTERS = 7.3
"""Of a caption, in an inch of a row."""
FAILURES = 6
"""Runs of a study whose failure its figure names."""
FORMATS = {".png": "agg", ".pdf": "pdf", ".svg": "svg"}
"""Endings of figures, and Matplotlib's canvas for each."""


def plot(
    traces: Plotted | Sequence[Plotted],
    path: str | Path | None = None,
    *,
    theory: bool = False,
    width: float | str | None = None,
    title: bool = True,
    panels: Sequence[str] | str = (),
    style: str = "screen",
    force: bool = False,
) -> Any:
    """Draw traces, given or named by their paths, and return the `matplotlib.figure.Figure`.

    A row a trace has lines on the left and a heat map on the right. Of a trace with training a row of accuracies or
    losses and of energies by update comes before that, and one of the cosine to backpropagation and of how far weights
    move, where training compared them; rows of several traces share their scales. With `theory`, what is known
    without simulating is drawn over the lines. The trace of a study is drawn alone, as its kind says.

    `width` is that of the figure, in inches or with a unit ("3.4in", "86mm"); `panels` those wanted: curves, updates,
    cosine, change, energy, heat, samples and errors; `style` "paper" has the small letters and lines of a journal's
    column. With a `path` the figure is saved, as PNG, PDF or SVG. Raises `UsageError` for another ending, a word or
    width that is none, a trace that recorded no energies or has no theory, a path that cannot be written, or where a
    file is there that pcsim did not draw, unless `force` allows to replace it.
    """
    look = style_of(width, title, panels, style)
    target = None if path is None else Path(path)
    if target is not None:
        check_figure_path(target)
    with own_settings(paper=look.paper), ExitStack() as stack:
        listed = [traces] if isinstance(traces, Trace | str | Path) else traces
        opened = [t if isinstance(t, Trace) else stack.enter_context(open_trace(t)) for t in listed]
        figure = _drawn(opened, theory, look)
        if target is not None:
            save(figure, target, force=force)
        return figure


def _drawn(traces: Sequence[Trace], theory: bool, style: Style) -> Any:
    if any("study" in trace.attributes for trace in traces):
        return _draw_study(traces, theory, style)
    for trace in traces:
        if (theory or not has_training(trace)) and (trace.rows == 0 or len(trace.energy) == 0):
            raise UsageError(f"{called(trace)}: {no_rows(trace)}")
    return draw(traces, _overlays(traces) if theory else None, style)


@own_settings()
def save(figure: Any, target: Path, *, force: bool = False) -> Path:
    """Write a matplotlib figure and return where; raise `UsageError` as `plot` does."""
    check_figure_path(target)
    drawn = io.BytesIO()
    suffix = target.suffix.lower()
    figure.savefig(drawn, format=suffix[1:], backend=FORMATS[suffix], metadata=METADATA[suffix], dpi=_dots(figure))
    write_figure(target, drawn.getvalue(), force=force)
    return target


def _dots(figure: Any) -> int:
    """Return the resolution of a picture: what is made for a column of a page is looked at closely."""
    return 150 if figure.get_figwidth() >= SCREEN_WIDTH / 2 else 300


def check_figure_path(path: Path) -> None:
    """Raise `UsageError` unless the path ends in a figure format and its folder exists."""
    if path.suffix.lower() not in FORMATS:
        raise UsageError(f"{path}: a figure ends in {', '.join(FORMATS)}; name it so with -o")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist; create it or choose another with -o")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; choose another name with -o")


def draw(traces: Sequence[Trace], overlays: "Sequence[Overlay] | None" = None, style: Style = SCREEN) -> Any:
    """Return a matplotlib figure with a row of two panels a trace, one overlay a trace over its lines.

    A trace with training has a row for that first, and no other where it recorded no inference; training runs that
    differ in nothing but their seed share it.
    """
    planned = [(group, kind) for training in by_training(traces) for group, kind in _rows(traces, training)]
    chosen = [(group, kind, names) for group, kind in planned if (names := style.chosen(kind))]
    if not chosen:
        has = [name for _, kind in planned for name in PANELS[kind]]
        raise UsageError(f"{called(traces[0])} has none of these panels; it has {', '.join(dict.fromkeys(has))}")
    across = max(len(names) for *_, names in chosen)
    width, height, beside = style.grid(across)
    down = sum(-(-len(names) // beside) for *_, names in chosen)
    figure, axes = new_figure((width, height * down + (0.6 if style.title else 0.0)), down, beside, squeeze=False)
    panels, colours, row = Panels(figure, traces, overlays), colour_ends(traces), 0
    for group, kind, names in chosen:
        for i, name in enumerate(names):
            panels.draw(name, group, axes[row + i // beside, i % beside], colours)
        if style.title:
            axes[row, 0].set_title(_caption(traces[group[0]], kind, width), loc="left")
        row += -(-len(names) // beside)
    for unused in (each for each in axes.flat if not each.has_data()):
        unused.set_axis_off()
    panels.share_scales()
    plain_log_axes(figure)
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


def _draw_study(traces: Sequence[Trace], theory: bool, style: Style) -> Any:
    from pcsim.studies import failures_of, load_kind, results_of

    if len(traces) > 1 or theory or replace(style, title=True) != SCREEN:
        named = next(called(trace) for trace in traces if "study" in trace.attributes)
        raise UsageError(
            f"{named} is of a study, which has a figure of its own; draw it alone, without theory, width, panels "
            "and style"
        )
    results = results_of(traces[0])
    if not results:
        raise UsageError(f"{traces[0].path}: nothing of the study is finished (status {traces[0].status})")
    figure = load_kind(str(traces[0].attributes["study"])).draw(results)
    title = str(traces[0].attributes.get("title", "")) if style.title else ""
    failed = [f"failed: {run}: {why}" for run, why in failures_of(results).items()]
    more = [f"and {len(failed) - FAILURES} more failed"] if len(failed) > FAILURES else []
    wide = int(12 * figure.get_figwidth())
    figure.suptitle("\n".join(as_text(line, wide) for line in (title, *failed[:FAILURES], *more)), fontsize=10)
    return figure


def _overlays(traces: Sequence[Trace]) -> "list[Overlay]":
    from pcsim.theory.overlay import theory_of

    return [theory_of(trace) for trace in traces]


def _caption(trace: Trace, kind: str, width: float) -> str:
    letters = int(LETTERS * width)
    title = str(trace.attributes.get("title", "")) or (trace.path.stem if trace.path else "")
    attributes = trace.attributes
    form = f"{attributes['form']} form, " if "form" in attributes else ""
    solver = f"{attributes['solver']}, " if "solver" in attributes else ""
    if kind == "completion":
        return "the first samples; blue: hidden"
    place = f"{attributes['method']}, {form}{solver}{attributes['precision']} on {attributes['backend']}"
    if not has_training(trace):
        return f"{as_text(title, letters)}\n{place}"
    training = f"{as_text(title, letters)}\ntraining: {place}"
    after = f"after training: {place}, seed {attributes['seed']}"
    return {"training": training, "alignment": "weight updates", "inference": after}[kind]
