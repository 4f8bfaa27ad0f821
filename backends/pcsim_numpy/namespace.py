"""numpy as the core's array namespace, for its own arrays and for those that its protocols reach (`Rounded`)."""

import math
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import scipy.special
from jaxtyping import Float64, Shaped

from pcsim.model.arrays import Array, Curve
from pcsim.model.gathered import Gathered
from pcsim.typing import NDArray

Chosen = TypeVar("Chosen")
PEAK = 1.0 / math.sqrt(2.0 * math.pi)


class NumpyNamespace(Gathered):
    """The functions of `pcsim.model.arrays.Namespace` on numpy arrays."""

    exp = staticmethod(np.exp)
    log = staticmethod(np.log)
    log1p = staticmethod(np.log1p)
    tanh = staticmethod(np.tanh)
    sqrt = staticmethod(np.sqrt)
    normal_cdf = staticmethod(scipy.special.ndtr)
    normal_quantile = staticmethod(scipy.special.ndtri)
    abs = staticmethod(np.abs)
    maximum = staticmethod(np.maximum)
    zeros_like = staticmethod(np.zeros_like)

    def normal_density(self, x: Array, /) -> Array:
        """Return exp(−x²/2)/√(2π)."""
        value = x * x
        value *= -0.5
        value = np.exp(value)
        value *= PEAK
        return value

    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array:
        """Choose entries of a where the condition holds, of b elsewhere."""
        return np.where(condition, a, b)

    def either(self, condition: Array, a: Callable[[], Chosen], b: Callable[[], Chosen], /) -> Chosen:
        """Return a() if the condition holds, else b()."""
        return a() if condition else b()

    def stack(self, arrays: Sequence[Array]) -> Array:
        """Join equally shaped arrays along a new first axis."""
        # Half the time of np.stack, which matters once a step.
        return np.concatenate(arrays).reshape(len(arrays), *arrays[0].shape)

    def concatenate(self, arrays: Sequence[Array], /, *, axis: int) -> Array:
        """Put arrays together along an axis."""
        return np.concatenate(arrays, axis=axis)

    def gather(self, x: Array, index: NDArray[np.int64], /) -> Array:
        """Return positions of x (batch, positions, channels), zeros for the one beyond the last."""
        beyond = np.concatenate([x, np.zeros_like(x[:, :1])], axis=1) if index.max() == x.shape[1] else x
        return np.take(beyond, index, axis=1)

    def pad(self, s: Array, rows: int, columns: int, /) -> Array:
        """Return images with rows below and columns at the right, of zeros."""
        for axis, count in ((1, rows), (2, columns)):
            if count:
                shape = (*s.shape[:axis], count, *s.shape[axis + 1 :])
                s = np.concatenate([s, np.broadcast_to(np.zeros_like(s[:1, :1, :1, :1]), shape)], axis=axis)
        return s

    def sum(self, x: Array, axis: int, keepdims: bool = False) -> Array:
        """Sum over one axis."""
        return np.add.reduce(x, axis=axis, keepdims=keepdims)

    def max(self, x: Array, axis: int, keepdims: bool = False) -> Array:
        """Largest entry over one axis."""
        return np.maximum.reduce(x, axis=axis, keepdims=keepdims)

    def any(self, x: Array, /) -> np.bool_:
        """Whether any entry is not zero."""
        return np.any(np.asarray(x))

    def increment(self, curve: Curve, anchor: Any, d: Array, /) -> tuple[Array, Any, Any]:
        """Return the curve's increment in its form without cancellation."""
        return curve.increment(self, anchor, d)

    def wide(self, x: Array) -> NDArray[np.float64]:
        """Return x in float64."""
        return x.astype(np.float64)

    def sum_of_squares(self, x: Shaped[Array, "batch ..."]) -> Float64[NDArray[np.float64], " batch"]:
        """Per-sample sum of squares, accumulated in float64."""
        wide = x.astype(np.float64, copy=False)
        flat = wide if wide.ndim == 2 else wide.reshape(x.shape[0], -1)
        return np.vecdot(flat, flat)

    def dot(self, a: Shaped[Array, "batch n"], b: Shaped[Array, "batch n"]) -> Float64[NDArray[np.float64], " batch"]:
        """Per-sample products, accumulated in float64."""
        return np.vecdot(a.astype(np.float64, copy=False), b.astype(np.float64, copy=False))

    def select(
        self, chosen: Shaped[Array, " batch"], a: Shaped[Array, "batch n"], b: Shaped[Array, "batch n"]
    ) -> Shaped[Array, "batch n"]:
        """Choose rows; nothing is copied where all are of one array."""
        if chosen.all():
            return a
        return np.where(chosen[:, None], a, b) if chosen.any() else b

    def with_rows(
        self,
        array: Shaped[Array, "batch m n"],
        slots: Shaped[Array, " batch"],
        rows: Shaped[Array, "batch n"],
        chosen: Shaped[Array, " batch"],
    ) -> Array:
        """Write rows into the array itself."""
        array[chosen, slots[chosen].astype(np.intp)] = rows[chosen]
        return array
