"""The figure of a comparison: a panel a combination, energies over log steps."""

from pathlib import Path
from typing import Any

import numpy as np

from pcsim.figures.axes import as_text, log_clock, new_figure, plain_log_axes
from pcsim.figures.files import check_replaceable_figure
from pcsim.figures.layer_lines import draw_lines
from pcsim.figures.own_settings import own_settings
from pcsim.report.plotting import FORMATS, check_figure_path, save
from pcsim.runs.comparison import Comparison

COLUMNS = 5


def check_comparison_figure(output: Path | None, folder: Path, *, force: bool) -> tuple[Path, Path]:
    """Return the folder of a comparison and its figure, where the user asked for one of these or neither.

    Raises `UsageError` where the figure cannot be drawn or written.
    """
    named = output is not None and output.suffix.lower() in FORMATS and not output.is_dir()
    folder = folder if named or output is None else output
    figure = output if named and output is not None else folder / "compare.png"
    with own_settings():
        if figure.parent.is_dir() or named:
            check_figure_path(figure)
            check_replaceable_figure(figure, force=force)
        return folder, figure


@own_settings()
def plot_comparison(comparison: Comparison, path: str | Path, *, force: bool = False) -> Path:
    """Draw a panel for every combination on common axes and save the figure.

    Raises `UsageError` for an ending other than .png, .pdf and .svg, a path that cannot be written, and where a file is
    there that pcsim did not draw, unless `force` allows to replace it.
    """
    return save(draw_comparison(comparison), Path(path), force=force)


def draw_comparison(comparison: Comparison, most: int = COLUMNS) -> Any:
    """Return a matplotlib figure with one panel a combination, at `most` so many beside each other."""
    count = len(comparison.traces)
    columns = next((c for c in range(min(most, count), 1, -1) if count % c == 0), min(most, count))
    rows = -(-count // columns)
    figure, panels = new_figure(
        (1 + 3.2 * columns, 0.6 + 3.0 * rows), rows, columns, squeeze=False, sharex=True, sharey=True
    )
    for i, (label, trace) in enumerate(zip(comparison.labels, comparison.traces, strict=True)):
        axes = panels.flat[i]
        clock = np.asarray(trace.steps, dtype=np.float64)
        if len(clock):  # of a run that failed before its first row there is none
            draw_lines(axes, clock, trace.energy, list(trace.layer_names))
            log_clock(axes, clock, trace.clock)
        axes.set_title(label + (" (reference)" if i == comparison.reference else ""), fontsize=9)
        silent = len(comparison.silent_by_format(i))
        if silent:
            text = f"{silent} layer{'s' if silent > 1 else ''} silent by format"
            axes.text(0.03, 0.03, text, transform=axes.transAxes, fontsize=8)
        axes.label_outer()
        if i > 0 and axes.get_legend() is not None:
            axes.get_legend().remove()
    for axes in panels.flat[count:]:
        axes.set_visible(False)
    plain_log_axes(figure)
    title = str(comparison.traces[0].attributes.get("title", ""))
    figure.suptitle(as_text(title, 40 * columns), fontsize=10)
    return figure
