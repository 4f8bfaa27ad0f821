"""Arrays of balls: every entry is a real number known to lie within a radius of a midpoint.

Entries are python-flint's `arb`; operators and functions are theirs and keep the enclosure. The matrix product is
one call of flint's. The working precision is flint's global `ctx.prec`, in bits.
"""

from typing import Any, TypeAlias

import numpy as np
from flint import arb, arb_mat

from pcsim.typing import NDArray
from pcsim_exact.number.verdicts import Entries, Verdict, objects

Operand: TypeAlias = "Balls | arb | float | int"


class Balls:
    """An immutable array of balls with the operators of the core's array contract.

    A matrix that only ever enters products is held in flint's own form alone. Adding or subtracting an exact zero
    gives back the very same array, and an array minus itself is an exact zero: this is how a state that nothing
    has moved yet keeps an error of exactly zero.
    """

    __slots__ = ("_entries", "_is_zero", "_matrix", "_transposed")
    __array_ufunc__ = None  # numpy scalars on the left leave the operation to this class
    dtype = np.dtype(object)

    def __init__(self, entries: Entries | None, matrix: arb_mat | None = None) -> None:
        self._entries = entries
        self._matrix = matrix
        self._transposed: Balls | None = None
        self._is_zero: bool | None = None

    @property
    def entries(self) -> Entries:
        """The balls as a numpy array of objects."""
        if self._entries is None:
            self._entries = objects(self.matrix.entries(), self.shape)
        return self._entries

    @property
    def matrix(self) -> arb_mat:
        """The balls as a flint matrix; only for two axes."""
        if self._matrix is None:
            rows, columns = self.shape
            self._matrix = arb_mat(rows, columns, self.entries.ravel().tolist())
        return self._matrix

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        if self._entries is not None:
            return self._entries.shape
        return self.matrix.nrows(), self.matrix.ncols()

    @property
    def T(self) -> "Balls":  # noqa: N802
        """The transposed matrix, made once."""
        if self._transposed is None:
            self._transposed = Balls(None, self.matrix.transpose())
        return self._transposed

    def reshape(self, *shape: int) -> "Balls":
        """Return the same balls in another shape."""
        return self if shape == self.shape else Balls(self.entries.reshape(*shape))

    def transpose(self, *axes: int) -> "Balls":
        """Return the balls with the axes in another order."""
        return Balls(self.entries.transpose(*axes))

    def swapaxes(self, first: int, second: int) -> "Balls":
        """Return the balls with two axes exchanged."""
        return Balls(self.entries.swapaxes(first, second))

    def __getitem__(self, index: Any) -> "Balls":
        return Balls(self.entries[index])

    @property
    def is_zero(self) -> bool:
        """Whether every entry is an exact zero."""
        if self._is_zero is None:
            self._is_zero = all(entry.is_zero() for entry in self.entries.flat)
        return self._is_zero

    def __matmul__(self, other: "Balls") -> "Balls":
        if self.is_zero:
            return zeros((self.shape[0], other.shape[1]))
        return Balls(None, self.matrix * other.matrix)

    def __neg__(self) -> "Balls":
        return Balls(-self.entries)

    def __add__(self, other: Operand) -> "Balls":
        if isinstance(other, Balls):
            if other.is_zero and _fits(other, self):
                return self
            if self.is_zero and _fits(self, other):
                return other
        return Balls(self.entries + entries_of(other))

    __radd__ = __add__

    def __sub__(self, other: Operand) -> "Balls":
        if other is self:
            return zeros(self.shape)
        if isinstance(other, Balls) and other.is_zero and _fits(other, self):
            return self
        return Balls(self.entries - entries_of(other))

    def __rsub__(self, other: Operand) -> "Balls":
        return Balls(entries_of(other) - self.entries)

    def __mul__(self, other: "Operand | Verdict") -> "Balls":
        if isinstance(other, Verdict):
            return Balls(other.choose(self.entries, _ZERO))
        return Balls(self.entries * entries_of(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Operand) -> "Balls":
        return Balls(self.entries / entries_of(other))

    def __rtruediv__(self, other: Operand) -> "Balls":
        return Balls(entries_of(other) / self.entries)

    def __gt__(self, other: Operand) -> Verdict:
        theirs = entries_of(other)
        return Verdict(self.entries > theirs, self.entries <= theirs)

    def __ge__(self, other: Operand) -> Verdict:
        theirs = entries_of(other)
        return Verdict(self.entries >= theirs, self.entries < theirs)

    def __lt__(self, other: Operand) -> Verdict:
        return ~(self >= other)

    def __le__(self, other: Operand) -> Verdict:
        return ~(self > other)


def entries_of(value: Operand) -> Entries:
    """Return the entries of an array, or a single number as an array without axes; floats are exact."""
    return value.entries if isinstance(value, Balls) else objects([arb(value)], ())


def zeros(shape: tuple[int, ...]) -> Balls:
    """Return exact zeros."""
    entries = np.empty(shape, dtype=object)
    entries[...] = arb(0)
    return Balls(entries)


def from_floats(array: NDArray[np.float64]) -> Balls:
    """Return the floats as balls of radius 0; a matrix in flint's own form."""
    if array.ndim == 2:
        return Balls(None, arb_mat(array.shape[0], array.shape[1], array.ravel().tolist()))
    return Balls(objects([arb(v) for v in array.ravel().tolist()], array.shape))


def to_floats(balls: Balls) -> NDArray[np.float64]:
    """Return the midpoints, rounded to nearest."""
    return np.asarray(_midpoint(balls.entries), dtype=np.float64)


def _fits(smaller: Balls, larger: Balls) -> bool:
    return smaller.shape == larger.shape or smaller.shape == larger.shape[1:]


_ZERO = objects([arb(0)], ())
_midpoint: Any = np.frompyfunc(float, 1, 1)
