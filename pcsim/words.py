"""Numbers in words, and text from files, for lines that people read."""

import unicodedata
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from pcsim.typing import NDArray


def count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 step`, `2,000 steps`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def extent(counts: NDArray[np.int64]) -> str:
    """Return the smallest and the largest of some numbers: `2 to 7`, or `3` where all are the same."""
    low, high = int(counts.min()), int(counts.max())
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def duration(seconds: float) -> str:
    """Return a time in words: `35 ms`, `2.1 s`, `1 h 2 min`."""
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def layers(numbers: Sequence[int]) -> str:
    """Return `layer 3` or `layers 0 to 3, 5`."""
    return f"layer{'s' if len(numbers) > 1 else ''} {spans(numbers)}"


def spans(numbers: Sequence[int]) -> str:
    """Return ascending numbers in words: `0 to 3, 5`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(str(a) if a == b else f"{a} to {b}" if b > a + 1 else f"{a}, {b}" for a, b in runs)


def printable(text: str) -> str:
    """Return a text without anything that a terminal would obey: control and direction characters are escaped.

    Line breaks, tabs and the joiners that some scripts are written with stay; the escapes are those of TOML.
    """
    if text.isprintable() or text in _KEPT:
        return text
    return "".join(f"\\u{ord(sign):04x}" if _is_obeyed(sign) else sign for sign in text)


def _is_obeyed(sign: str) -> bool:
    return sign not in _KEPT and unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")


_KEPT = "\n\t\u200c\u200d"


def plain(value: Any) -> Any:
    """Return numbers, texts and lists as JSON has them; what is infinite or no number is None."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, tuple | list | np.ndarray):
        return [plain(each) for each in value]
    if isinstance(value, np.integer | np.bool_):
        return value.item()
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value


class Text(str):
    """A text that a notebook and a Python prompt show as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Shown:
    """The base of what notebooks show as a summary and a figure.

    What there is to say, the room `report` knows, which is above those that have things to show: it is asked by its
    name when somebody looks.
    """

    def summary(self) -> Text:
        """Return in words and tables what this is, as the command line says it."""
        return Text(import_module("pcsim.report.notebook").summary(self))

    def _repr_html_(self) -> str:
        return str(import_module("pcsim.report.notebook").page(self))
