"""The narrow formats, their rounding laws, and how sums are accumulated.

Arrays are float32 throughout, because every float16 and every bfloat16 number is a float32 number.
"""

from typing import Any, Protocol, TypeAlias, runtime_checkable

import ml_dtypes
import numpy as np

from pcsim.typing import NDArray

Float32s: TypeAlias = NDArray[np.float32]

EXPONENT = np.uint32(0x7F800000)
"""The bits of a float32's exponent."""

PRODUCTS_AT_ONCE = 2**18
"""How many products a narrow accumulator forms in one go (1 MiB)."""


class Format:
    """An IEEE 754 binary format within float32: gradual underflow, and overflow to infinity."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        limits = ml_dtypes.finfo(dtype)
        self.dtype = dtype
        self._lowest = np.float32(limits.smallest_normal)
        self._highest = np.float32(2.0**limits.maxexp / 2)
        self._epsilon = np.float32(limits.eps)
        self._to_edge = np.float32(2.0**127) / self._highest

    def spacing(self, x: Float32s) -> Float32s:
        """Return the distance between the two neighbours of x, a power of two."""
        power = (x.view(np.uint32) & EXPONENT).view(np.float32)
        np.maximum(power, self._lowest, out=power)
        np.minimum(power, self._highest, out=power)
        power *= self._epsilon
        return power

    def overflowed(self, x: Float32s) -> Float32s:
        """Return x with infinity for what would need a larger exponent: it overflows when scaled to float32's edge."""
        x *= self._to_edge
        x /= self._to_edge
        return x

    def nearest(self, x: Float32s) -> Float32s:
        """Return x rounded to nearest, ties to even."""
        # Not numpy's cast: it raises the processor's underflow flag for every subnormal, 100 times the cost.
        spacing = self.spacing(x)
        significand = x / spacing
        np.rint(significand, out=significand)
        significand *= spacing
        return self.overflowed(significand)


class CastFormat(Format):
    """A format whose cast from float32 is fast and rounds to nearest, ties to even."""

    def nearest(self, x: Float32s) -> Float32s:
        """Return x cast there and back."""
        return x.astype(self.dtype).astype(np.float32)


FORMATS = {"float16": Format(np.dtype(np.float16)), "bfloat16": CastFormat(np.dtype(ml_dtypes.bfloat16))}


@runtime_checkable
class Law(Protocol):
    """How a float32 result becomes a number of a narrower format."""

    @property
    def format(self) -> Format: ...

    def __call__(self, x: Float32s) -> Float32s:
        """Return x rounded, in any shape; numbers of the format stay as they are."""
        ...


class Nearest:
    """To nearest, ties to even."""

    def __init__(self, format: Format) -> None:
        self.format = format

    def __call__(self, x: Float32s) -> Float32s:
        """Return x rounded to nearest."""
        return self.format.nearest(x)


class Stochastic:
    """To one of the two neighbours a ≤ x ≤ b of the format, to b with probability (x − a)/(b − a).

    The rounding error has mean zero whatever came before (Connolly, Higham & Mary 2021). Infinity takes the place of
    the first number too large for the format. Equal generators give equal bits.
    """

    def __init__(self, format: Format, random: np.random.Generator) -> None:
        self.format = format
        self._random = random

    def __call__(self, x: Float32s) -> Float32s:
        """Return x rounded; draws one number an entry, exact ones included."""
        spacing = self.format.spacing(x)
        # Float64 holds a significand of float32 and enough digits of the random number behind it.
        shifted = self._random.random(x.shape)
        shifted += np.abs(x / spacing)
        rounded = np.floor(shifted, out=shifted).astype(np.float32)
        rounded *= spacing
        return np.copysign(self.format.overflowed(rounded), x)


@runtime_checkable
class Accumulator(Protocol):
    """How products and sums are accumulated, before the result is rounded to the format of the run."""

    def matmul(self, a: Float32s, b: Float32s) -> Float32s:
        """Return the matrix product of (..., m, k) and (..., k, n)."""
        ...

    def sum(self, x: Float32s, axis: int, keepdims: bool) -> Float32s:
        """Return the sum over one axis."""
        ...


class Float32Accumulator:
    """Products of two numbers are exact, and sums are rounded to float32: what matrix units do."""

    def matmul(self, a: Float32s, b: Float32s) -> Float32s:
        """Return the float32 product."""
        return np.matmul(a, b)

    def sum(self, x: Float32s, axis: int, keepdims: bool) -> Float32s:
        """Return the float32 sum."""
        return np.asarray(np.add.reduce(x, axis=axis, keepdims=keepdims))


class NarrowAccumulator:
    """Every product and every partial sum is rounded by a law, in the order of k."""

    def __init__(self, law: Law) -> None:
        self._law = law

    def matmul(self, a: Float32s, b: Float32s) -> Float32s:
        """Return the product, built up one k at a time."""
        left, right = np.moveaxis(a, -1, 0)[..., None], np.moveaxis(b, -2, 0)[..., None, :]
        total = np.zeros(np.broadcast_shapes(left.shape[1:], right.shape[1:]), np.float32)
        block = max(1, PRODUCTS_AT_ONCE // max(1, total.size))
        for start in range(0, len(left), block):
            chosen = slice(start, start + block)
            total = self._add(total, self._law(left[chosen] * right[chosen]))
        return total

    def sum(self, x: Float32s, axis: int, keepdims: bool) -> Float32s:
        """Return the sum, built up one entry at a time."""
        terms = np.moveaxis(x, axis, 0)
        total = self._add(np.zeros(terms.shape[1:], np.float32), self._law(terms))
        return np.expand_dims(total, axis) if keepdims else total

    def _add(self, total: Float32s, terms: Float32s) -> Float32s:
        for term in terms:
            total = self._law(np.asarray(total + term))
        return total
