"""Arrays of balls: every entry is a real number known to lie within a radius of a midpoint.

Entries are python-flint's `arb`; operators and functions are theirs and keep the enclosure. The matrix product is
one call of flint's. The working precision is flint's global `ctx.prec`, in bits.
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from flint import arb, arb_mat
from numpy.typing import NDArray

Entries: TypeAlias = NDArray[Any]
"""A numpy array of objects, each an `arb`."""

_is_zero: Any = np.frompyfunc(arb.is_zero, 1, 1)
_hull: Any = np.frompyfunc(arb.union, 2, 1)


class Verdict:
    """The answer of a comparison, entry by entry: certainly true, certainly false, or open.

    A comparison is open where the ball holds points on either side.
    """

    __slots__ = ("no", "yes")

    def __init__(self, yes: NDArray[np.bool_], no: NDArray[np.bool_]) -> None:
        self.yes = yes
        self.no = no

    def choose(self, a: Entries, b: Entries) -> Entries:
        """Return a where true, b where false, and the hull of both where open."""
        chosen = np.where(self.yes, a, b)
        undecided = ~(self.yes | self.no)
        if undecided.any():
            a, b = np.broadcast_to(a, chosen.shape), np.broadcast_to(b, chosen.shape)
            chosen[undecided] = _hull(a[undecided], b[undecided])
        return chosen


class Balls:
    """An immutable array of balls with the operators of the core's array contract.

    A matrix that only ever enters products is held in flint's own form alone. Adding or subtracting an exact zero
    gives back the very same array, and an array minus itself is an exact zero: this is how a state that nothing
    has moved yet keeps an error of exactly zero.
    """

    __slots__ = ("_entries", "_matrix", "_transposed")
    __array_ufunc__ = None  # numpy scalars on the left leave the operation to this class

    def __init__(self, entries: Entries | None, matrix: arb_mat | None = None) -> None:
        self._entries = entries
        self._matrix = matrix
        self._transposed: Balls | None = None

    @property
    def entries(self) -> Entries:
        """The balls as a numpy array of objects."""
        if self._entries is None:
            assert self._matrix is not None
            self._entries = _objects(self._matrix.entries(), self.shape)
        return self._entries

    @property
    def matrix(self) -> arb_mat:
        """The balls as a flint matrix."""
        if self._matrix is None:
            rows, columns = self.shape
            self._matrix = arb_mat(rows, columns, self.entries.ravel().tolist())
        return self._matrix

    @property
    def shape(self) -> tuple[int, ...]:
        if self._entries is not None:
            return self._entries.shape
        assert self._matrix is not None
        return self._matrix.nrows(), self._matrix.ncols()

    @property
    def T(self) -> "Balls":  # noqa: N802
        """The transposed matrix, made once."""
        if self._transposed is None:
            self._transposed = Balls(None, self.matrix.transpose())
            self._transposed._transposed = self
        return self._transposed

    def is_zero(self) -> bool:
        """Return whether every entry is an exact zero."""
        return all(entry.is_zero() for entry in self.entries.flat)

    def map(self, function: Any) -> "Balls":
        return Balls(function(self.entries))

    def __matmul__(self, other: "Balls") -> "Balls":
        if self.is_zero():
            return zeros((self.shape[0], other.shape[1]))
        return Balls(None, self.matrix * other.matrix)

    def __neg__(self) -> "Balls":
        return Balls(-self.entries)

    def __add__(self, other: Any) -> "Balls":
        theirs = entries_of(other)
        if theirs.shape == self.shape and isinstance(other, Balls):
            if other.is_zero():
                return self
            if self.is_zero():
                return other
        return Balls(self.entries + theirs)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Balls":
        if other is self:
            return zeros(self.shape)
        theirs = entries_of(other)
        if theirs.shape == self.shape and isinstance(other, Balls) and other.is_zero():
            return self
        return Balls(self.entries - theirs)

    def __rsub__(self, other: Any) -> "Balls":
        return Balls(entries_of(other) - self.entries)

    def __mul__(self, other: Any) -> "Balls":
        if isinstance(other, Verdict):
            return Balls(other.choose(self.entries, _ZERO))
        return Balls(self.entries * entries_of(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> "Balls":
        return Balls(self.entries / entries_of(other))

    def __rtruediv__(self, other: Any) -> "Balls":
        return Balls(entries_of(other) / self.entries)

    def __gt__(self, other: Any) -> Verdict:
        theirs = entries_of(other)
        return Verdict(_truth(self.entries > theirs), _truth(self.entries <= theirs))

    def __ge__(self, other: Any) -> Verdict:
        theirs = entries_of(other)
        return Verdict(_truth(self.entries >= theirs), _truth(self.entries < theirs))


def _truth(answers: Any) -> NDArray[np.bool_]:
    return np.asarray(answers, dtype=np.bool_)


def _objects(values: list[Any], shape: tuple[int, ...]) -> Entries:
    entries = np.empty(len(values), dtype=object)
    entries[:] = values
    return entries.reshape(shape)


def entries_of(value: Any) -> Entries:
    if isinstance(value, Balls):
        return value.entries
    return _objects([arb(value)],())


def zeros(shape: tuple[int, ...]) -> Balls:
    entries = np.empty(shape, dtype=object)
    entries[...] = arb(0)
    return Balls(entries)

_ZERO = _objects([arb(0)],())


def from_floats(array: NDArray[np.float64]) -> Balls:
    """Return exact balls of the given shape."""
    values = [arb(v) for v in array.ravel().tolist()]
    return Balls(_objects(values, array.shape))
