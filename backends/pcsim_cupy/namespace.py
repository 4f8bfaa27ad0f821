"""CuPy as the core's array namespace: what trains and diagnoses on the device computes through it."""

import math
from collections.abc import Sequence
from typing import Any

from pcsim.model.arrays import Array, Curve
from pcsim.model.gathered import Gathered
from pcsim.typing import NDArray

PEAK = 1.0 / math.sqrt(2.0 * math.pi)


class CupyNamespace(Gathered):
    """The functions of `pcsim.model.arrays.Namespace` on arrays of `library`: CuPy, or what stands in for it in tests.

    `erfc` is the complementary error function, which CuPy keeps elsewhere.
    """

    def __init__(self, library: Any, erfc: Any) -> None:
        self._library, self._erfc = library, erfc
        self.exp, self.log, self.log1p = library.exp, library.log, library.log1p
        self.tanh, self.sqrt, self.abs = library.tanh, library.sqrt, library.abs
        self.maximum, self.zeros_like, self.stack = library.maximum, library.zeros_like, library.stack
        self.sum, self.max, self.any = library.sum, library.max, library.any

    def concatenate(self, arrays: Sequence[Array], /, *, axis: int) -> Array:
        """Put arrays together along an axis."""
        return self._library.concatenate(list(arrays), axis=axis)

    def gather(self, x: Array, index: NDArray[Any], /) -> Array:
        """Return positions of x (batch, positions, channels), zeros for the one beyond the last."""
        beyond = self._library.concatenate([x, self.zeros_like(x[:, :1])], axis=1)
        return self._library.take(beyond, self._library.asarray(index), axis=1)

    def pad(self, s: Array, rows: int, columns: int, /) -> Array:
        """Return images with rows below and columns at the right, of zeros."""
        return self._library.pad(s, ((0, 0), (0, rows), (0, columns), (0, 0)))

    def normal_cdf(self, x: Array, /) -> Array:
        """Return erfc(−x/√2)/2."""
        return 0.5 * self._erfc(x * -math.sqrt(0.5))

    def normal_density(self, x: Array, /) -> Array:
        """Return exp(−x²/2)/√(2π)."""
        return PEAK * self._library.exp(-0.5 * x * x)

    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array:
        """Choose entries of a where the condition holds, of b elsewhere."""
        like: Array = a if hasattr(a, "dtype") else b
        held = self._library.asarray(condition)
        if not hasattr(like, "dtype"):
            return self._library.where(held, self._library.asarray(a), self._library.asarray(b))
        # Python numbers take the type of the array beside them, as they do in other operations.
        chosen: list[Array] = [v if hasattr(v, "dtype") else self._library.asarray(v, like.dtype) for v in (a, b)]
        return self._library.where(held, *chosen)

    def increment(self, curve: Curve, anchor: Any, d: Array, /) -> tuple[Array, Any, Any]:
        """Return the curve's increment in its form without cancellation."""
        return curve.increment(self, anchor, d)

    def wide(self, x: Array, /) -> Array:
        """Return x in float64."""
        return x.astype(self._library.float64)

    def sum_of_squares(self, x: Array, /) -> Array:
        """Per-sample sum of squares, accumulated in float64."""
        wide = self.wide(x).reshape(x.shape[0], -1)
        return self._library.sum(wide * wide, axis=1)
