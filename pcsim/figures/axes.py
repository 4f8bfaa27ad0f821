"""Axes that several figures share."""

import textwrap
from typing import Any

import numpy as np

from pcsim.figures.drawn import shown_figure
from pcsim.typing import NDArray


def new_figure(size: tuple[float, float], *shape: int, **options: Any) -> tuple[Any, Any]:
    """Return a figure of a size in inches, and its panels as Matplotlib's `subplots` has them."""
    figure = shown_figure(figsize=size, layout="constrained")
    return figure, figure.subplots(*shape, **options)


FEW_DECADES = 2.5
MOST_POWERS = 7
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


def plain_log_axes(figure: Any) -> None:
    """Number the logarithmic axes of a figure plainly: 1, 2, 5, 10, … over few decades, powers of ten over more."""
    for panel in figure.axes:
        for axis in (panel.xaxis, panel.yaxis):
            if axis.get_scale() in ("log", "symlog"):
                _number_plainly(axis, *axis.get_view_interval())


def plain_number(value: float, position: int | None = None) -> str:
    """Return a number as the labels of axes have it, wherever they are: 0, 0.02, 50, 2e-7."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:g}"
    digits, _, power = f"{value:e}".partition("e")
    return f"{float(digits):g}e{int(power)}"


def log_ticks(low: float, high: float) -> list[float]:
    """Return the ticks of a logarithmic axis from a positive number to another: 1-2-5 steps, or powers of ten."""
    first, last = int(np.floor(np.log10(low))), int(np.ceil(np.log10(high)))
    decades = np.log10(high / low)
    leading = (1, 2, 5) if decades <= FEW_DECADES else (1,)
    every = max(1, round(decades / MOST_POWERS))
    ticks = [digit * 10.0**power for power in range(first, last + 1) if power % every == 0 for digit in leading]
    return [tick for tick in ticks if low * (1 - 1e-9) <= tick <= high * (1 + 1e-9)]


def _number_plainly(axis: Any, low: float, high: float) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    linear = axis.get_transform().linthresh if axis.get_scale() == "symlog" else None
    ticks = [*([0.0] if linear and low <= 0 else []), *log_ticks(linear or low, high)]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(FuncFormatter(plain_number))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
