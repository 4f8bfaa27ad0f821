"""Numbers in words, for lines that people read."""

import numpy as np
from numpy.typing import NDArray


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
