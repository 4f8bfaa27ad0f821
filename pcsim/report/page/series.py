"""Numbers over a clock, read from a trace in pieces, and thinned where they are too many for a page."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.typing import NDArray

NUMBERS = 150_000
"""Numbers on a page at most: 2 MB, as a page writes them."""
DIGITS = 6
"""Of a number on a page, which shows four of them."""
_PIECE = 2**21
"""Numbers that are read at a time."""


@dataclass(frozen=True)
class Series:
    """A clock and what was recorded along it; both are read by slices of rows."""

    rows: int
    columns: int
    clock: Callable[[slice], NDArray[Any]]
    """(R,)"""
    values: Callable[[slice], NDArray[Any]]
    """(R, columns)"""

    @property
    def numbers(self) -> int:
        """How many there are, the clock's included."""
        return self.rows * (self.columns + 1)

    def read(self, start: int, stop: int) -> NDArray[np.float64]:
        """Return rows, (R, 1 + columns), the clock first."""
        if start == stop:  # a live page asks every second, and most often there is nothing new
            return np.empty((0, 1 + self.columns))
        rows = slice(start, stop)
        values = np.asarray(self.values(rows), dtype=np.float64).reshape(stop - start, self.columns)
        return np.column_stack([np.asarray(self.clock(rows), dtype=np.float64), values])


def shares(sizes: Sequence[int], most: int) -> list[int]:
    """Return how many of `most` numbers each series may keep: the small ones all, the others the same."""
    found, left = [0] * len(sizes), most
    for place, i in enumerate(sorted(range(len(sizes)), key=lambda i: sizes[i])):
        found[i] = min(sizes[i], left // (len(sizes) - place))
        left -= found[i]
    return found


def written(series: Series, most: int, since: int = 0) -> dict[str, Any]:
    """Return the rows from `since` on as a page reads them, row by row, to six digits.

    Of more than `most` numbers each row stands for a stretch of rows: `low` and `high` are the smallest and the largest
    of each column, `x` and `until` the clock of its first and last row.
    """
    total, count = series.rows, series.rows - since
    found: dict[str, Any] = {"from": since, "total": total, "columns": series.columns}
    if count * (series.columns + 1) <= most:
        rows = _sorted(series.read(since, total))
        return found | {"x": _clock(rows[:, 0]), "low": _numbers(rows[:, 1:])}
    low, high = _extremes(series, since, _starts(count, most // (2 * (series.columns + 1))))
    low, high = _sorted(low), _sorted(high)
    return found | {
        "x": _clock(low[:, 0]),
        "until": _clock(high[:, 0]),
        "low": _numbers(low[:, 1:]),
        "high": _numbers(high[:, 1:]),
    }


def _starts(count: int, stretches: int) -> NDArray[np.int64]:
    """Return where stretches of rows begin: dense at the beginning, for logarithmic axes, and the last row alone."""
    half = max(2, stretches // 2)
    spaced = [np.linspace(0, count - 1, half), np.geomspace(1, count, half) - 1]
    return np.unique(np.rint(np.concatenate(spaced)).astype(np.int64))


def _extremes(series: Series, since: int, starts: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and the largest entries of every stretch, (stretch, 1 + columns); NaN where all are."""
    low, high = (np.full((len(starts), series.columns + 1), np.nan) for _ in range(2))
    step = max(1, _PIECE // (series.columns + 1))
    for begin in range(since, series.rows, step):
        end = min(begin + step, series.rows)
        piece, place = series.read(begin, end), begin - since
        first = int(np.searchsorted(starts, place, side="right")) - 1
        inside = starts[first + 1 : np.searchsorted(starts, end - since)]
        cuts = np.concatenate([[0], inside - place])
        into = slice(first, first + len(cuts))
        low[into] = np.fmin(low[into], np.fmin.reduceat(piece, cuts, axis=0))
        high[into] = np.fmax(high[into], np.fmax.reduceat(piece, cuts, axis=0))
    return low, high


def _sorted(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows by their clock, those without one left out: files may come from anywhere."""
    rows = rows[np.isfinite(rows[:, 0])]
    return rows if bool(np.all(rows[1:, 0] >= rows[:-1, 0])) else rows[np.argsort(rows[:, 0], kind="stable")]


def _clock(values: NDArray[np.float64]) -> list[float]:
    return [int(value) if value.is_integer() else value for value in values.tolist()]


def _numbers(values: NDArray[np.float64]) -> list[float | str | None]:
    return [_number(value) for value in values.ravel().tolist()]


def _number(value: float) -> float | str | None:
    if value == 0:
        return 0
    if math.isfinite(value):
        return float(f"{value:.{DIGITS}g}")
    # JSON has no words for these.
    return None if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
