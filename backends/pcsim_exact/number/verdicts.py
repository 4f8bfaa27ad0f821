"""Comparisons of balls, and the choices that hang on them: rigorous where a ball lies across the limit."""

from typing import Any, TypeAlias

import numpy as np
from flint import arb

from pcsim.typing import NDArray

Entries: TypeAlias = NDArray[Any]
"""A numpy array of objects, each an `arb`."""

_hull: Any = np.frompyfunc(arb.union, 2, 1)


class Verdict:
    """The answer of a comparison, entry by entry: certainly true, certainly false, or open.

    A comparison is open where the ball holds points on either side.
    """

    __slots__ = ("no", "yes")
    dtype = np.dtype(bool)

    def __init__(self, yes: NDArray[Any], no: NDArray[Any]) -> None:
        self.yes = np.asarray(yes, dtype=np.bool_)
        self.no = np.asarray(no, dtype=np.bool_)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.yes.shape

    def choose(self, a: Entries, b: Entries) -> Entries:
        """Return a where true, b where false, and the hull of both where open."""
        chosen = np.where(self.yes, a, b)
        undecided = np.broadcast_to(~(self.yes | self.no), chosen.shape)
        if undecided.any():
            a, b = np.broadcast_to(a, chosen.shape), np.broadcast_to(b, chosen.shape)
            chosen[undecided] = _hull(a[undecided], b[undecided])
        return chosen

    def __invert__(self) -> "Verdict":
        return Verdict(self.no, self.yes)

    def __and__(self, other: "Verdict") -> "Verdict":
        return Verdict(self.yes & other.yes, self.no | other.no)

    def __or__(self, other: "Verdict") -> "Verdict":
        return Verdict(self.yes | other.yes, self.no & other.no)


def objects(values: list[Any], shape: tuple[int, ...]) -> Entries:
    """Return a numpy array of objects; numpy itself would look for sequences among them."""
    entries = np.empty(len(values), dtype=object)
    entries[:] = values
    return entries.reshape(shape)
