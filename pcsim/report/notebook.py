"""What things say of themselves in a notebook: the words of the command line, and a small figure."""

import base64
import html
import io
from contextlib import suppress
from functools import singledispatch
from typing import Any

import numpy as np
from rich.console import Console

from pcsim.errors import PcsimError
from pcsim.figures.drawn import picture_of
from pcsim.recorded.evaluation import Scores
from pcsim.report.comparison_plot import draw_comparison
from pcsim.report.comparison_report import print_comparison
from pcsim.report.plotting import plot
from pcsim.report.scores import score_table
from pcsim.report.summary import print_summary
from pcsim.report.tables import new_table, print_table
from pcsim.runs.comparison import Comparison
from pcsim.scenario import Scenario, scenario_text
from pcsim.trace import Trace
from pcsim.trace.history import History

WIDTH = 100
"""Letters of a line."""
SHOWN = 20
"""Epochs in a table."""
INCHES = 7.0
BESIDE = 2
"""Panels of a comparison beside each other."""


def summary(thing: Any) -> str:
    """Return what there is to say of a trace, a scenario, a comparison, scores or a history."""
    # Nothing of it is markup, and no terminal obeys it.
    console = Console(
        file=io.StringIO(), width=WIDTH, force_terminal=False, force_jupyter=False, markup=False, emoji=False
    )
    _say(thing, console)
    return str(console.file.getvalue()).rstrip("\n")  # pyright: ignore[reportAttributeAccessIssue]


def page(thing: Any) -> str:
    """Return the same as HTML, in which no text of a file is anything but text, and a figure where there is one."""
    if isinstance(thing, Trace) and not thing.file:
        return _text(repr(thing))
    shown = _text(summary(thing))
    # A trace without rows has no figure.
    with suppress(PcsimError):
        picture = _picture(thing)
        if picture is not None:
            encoded = base64.b64encode(picture_of(picture)).decode()
            shown += f'<img alt="figure" style="max-width: 100%" src="data:image/png;base64,{encoded}">'
    return shown


@singledispatch
def _say(thing: Any, console: Console) -> None:
    raise TypeError(f"there is nothing to say of {type(thing).__name__}")


@_say.register
def _(thing: Trace, console: Console) -> None:
    print_summary(thing, console)


@_say.register
def _(thing: Scenario, console: Console) -> None:
    console.print(scenario_text(thing), end="", highlight=False, soft_wrap=True)


@_say.register
def _(thing: Comparison, console: Console) -> None:
    print_comparison(thing, console)


@_say.register
def _(thing: Scores, console: Console) -> None:
    console.print(thing.source, highlight=False, soft_wrap=True)
    print_table(score_table(thing), console)


@_say.register
def _(thing: History, console: Console) -> None:
    if not len(thing):
        console.print("nothing was trained", highlight=False)
        return
    names = [name for name in thing if thing[name].ndim == 1 and len(thing[name]) == len(thing["epoch"])]
    shown = [name for name in ("epoch", *names) if name == "epoch" or np.isfinite(thing[name]).any()]
    table = new_table(*(name.replace("_", " ") for name in dict.fromkeys(shown)))
    for row in np.unique(np.linspace(0, len(thing["epoch"]) - 1, min(SHOWN, len(thing["epoch"]))).astype(int)):
        table.add_row(*(f"{thing[name][row]:.4g}" for name in dict.fromkeys(shown)))
    print_table(table, console)


def _picture(thing: Any) -> Any:
    if isinstance(thing, Trace):
        return plot(thing) if "study" in thing.attributes else plot(thing, width=INCHES, title=False)
    return draw_comparison(thing, BESIDE) if isinstance(thing, Comparison) else None


def _text(text: str) -> str:
    """Return lines as they are where they are rows of a table, and folded where the page is narrower elsewhere."""
    lines = (_row(line) if "  " in line.strip() else html.escape(line) for line in text.split("\n"))
    return f'<pre style="white-space: pre-wrap; overflow-x: auto">{chr(10).join(lines)}</pre>'


def _row(line: str) -> str:
    return f'<span style="white-space: pre">{html.escape(line)}</span>'
