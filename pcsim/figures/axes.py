"""Axes that several figures share."""

import textwrap
from typing import Any

import numpy as np

from pcsim.typing import NDArray


def new_figure(size: tuple[float, float], *shape: int, **options: Any) -> tuple[Any, Any]:
    """Return a figure of a size in inches, and its panels as Matplotlib's `subplots` has them."""
    # Matplotlib takes half a second to import, and not every run draws.
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(*shape, **options)


MOST_LINES = 4
"""Of a title."""


def as_text(text: object, width: int = 200) -> str:
    """Return a user's words as they are to be drawn: on a few lines of so many characters, and no dollar a formula."""
    lines = textwrap.wrap(str(text), width, max_lines=MOST_LINES, placeholder=" …")
    shown = "\n".join("".join(c if c.isprintable() else "�" for c in line) for line in lines)
    return shown.replace("$", r"\$")


def log_clock(axes: Any, clock: NDArray[np.float64], name: str) -> None:
    """Make the clock's axis logarithmic, the start at 0 included."""
    positive = clock[clock > 0]
    if len(positive) > 1 and len(positive) == len(clock):
        axes.set_xscale("log")
        axes.set_xlim(float(clock[0]), float(clock[-1]))
    elif len(positive) > 1:
        # Logarithmic from the first recorded step on, with the start itself still visible at 0.
        axes.set_xscale("symlog", linthresh=float(positive[0]), linscale=0.3)
        axes.set_xlim(left=0, right=float(clock[-1]))
    axes.set_xlabel("inference step" if name == "step" else "time")
