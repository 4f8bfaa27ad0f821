"""JAX as the core's array namespace."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import jax.scipy.special
from jaxtyping import Shaped

from pcsim.model.arrays import Array, Curve
from pcsim.model.windows import Window
from pcsim_jax.convolution import convolved, kernel_gradient, pulled_back

Chosen = TypeVar("Chosen")
PEAK = 1.0 / math.sqrt(2.0 * math.pi)


@dataclass(frozen=True)
class JaxNamespace:
    """The functions of `pcsim.model.arrays.Namespace` on JAX arrays; energies are accumulated in float64."""

    exp = staticmethod(jnp.exp)
    log = staticmethod(jnp.log)
    log1p = staticmethod(jnp.log1p)
    tanh = staticmethod(jnp.tanh)
    sqrt = staticmethod(jnp.sqrt)
    abs = staticmethod(jnp.abs)
    normal_cdf = staticmethod(jax.scipy.special.ndtr)
    normal_quantile = staticmethod(jax.scipy.special.ndtri)
    maximum = staticmethod(jnp.maximum)
    zeros_like = staticmethod(jnp.zeros_like)
    stack = staticmethod(jnp.stack)
    sum = staticmethod(jnp.sum)
    max = staticmethod(jnp.max)
    concatenate = staticmethod(jnp.concatenate)

    def normal_density(self, x: Array, /) -> Array:
        """Return exp(−x²/2)/√(2π)."""
        return PEAK * self.exp(-0.5 * (x * x))

    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array:
        """Choose entries of a where the condition holds, of b elsewhere."""
        return jnp.where(condition, a, b)

    def either(self, condition: Array, a: Callable[[], Chosen], b: Callable[[], Chosen], /) -> Chosen:
        """Return a() if the condition holds, else b(); outside a compiled program at once."""
        if isinstance(condition, bool):
            return a() if condition else b()
        return jax.lax.cond(condition, a, b)

    def convolve(self, s: Array, kernel: Array, window: Window, /) -> Array:
        """Return what every window of the images makes."""
        return convolved(s, kernel, window, s.dtype)

    def convolve_adjoint(self, v: Array, kernel: Array, window: Window, image: tuple[int, int], /) -> Array:
        """Return the transpose of `convolve` applied to v."""
        return pulled_back(v, kernel, window, image, v.dtype)

    def convolve_gradient(self, s: Array, v: Array, window: Window, /) -> Array:
        """Return the gradient with respect to the kernel, summed over the batch."""
        return kernel_gradient(s, v, window, s.dtype)

    def pad(self, s: Array, rows: int, columns: int, /) -> Array:
        """Return images with rows below and columns at the right, of zeros."""
        return jnp.pad(s, ((0, 0), (0, rows), (0, columns), (0, 0))) if rows or columns else s

    def any(self, x: Array, /) -> Array:
        """Whether any entry is not zero."""
        return jnp.any(x != 0)

    def increment(self, curve: Curve, anchor: Any, d: Array, /) -> tuple[Array, Any, Any]:
        """Return the curve's increment in its form without cancellation."""
        return curve.increment(self, anchor, d)

    def wide(self, x: Array, /) -> Array:
        """Return x in float64."""
        return x.astype(jnp.float64)

    def sum_of_squares(self, x: Shaped[Array, "batch ..."], /) -> Shaped[Array, " batch"]:
        """Per-sample sum of squares, accumulated in float64."""
        wide = x.astype(jnp.float64)
        return jnp.sum(wide * wide, axis=tuple(range(1, x.ndim)))

    def dot(self, a: Shaped[Array, "batch n"], b: Shaped[Array, "batch n"], /) -> Shaped[Array, " batch"]:
        """Per-sample products, accumulated in float64."""
        return jnp.sum(a.astype(jnp.float64) * b.astype(jnp.float64), axis=1)

    def select(
        self, chosen: Shaped[Array, " batch"], a: Shaped[Array, "batch n"], b: Shaped[Array, "batch n"], /
    ) -> Shaped[Array, "batch n"]:
        """Choose rows."""
        return jnp.where(chosen[:, None], a, b)

    def with_rows(
        self,
        array: Shaped[Array, "batch m n"],
        slots: Shaped[Array, " batch"],
        rows: Shaped[Array, "batch n"],
        chosen: Shaped[Array, " batch"],
        /,
    ) -> Array:
        """Write rows; in a compiled loop into the array itself."""
        place = jnp.arange(len(rows)), slots.astype(jnp.int32)
        own = jnp.where(chosen[:, None], rows.astype(array.dtype), array[place])
        return array.at[place].set(own, indices_are_sorted=True, unique_indices=True)
