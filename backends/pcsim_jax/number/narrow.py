"""Arrays in bfloat16 on JAX that compute as kernels do: in float32 registers, every result rounded to the format.

The numbers are stored in bfloat16. Python numbers are float32 constants: a step size of 0.3 rounded to bfloat16 would
scale a signal by 1.003 a layer. XLA may keep more digits than asked for between two operations; each result is
rounded explicitly, so that it cannot.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from pcsim.model.arrays import Array
from pcsim.model.windows import Window
from pcsim_jax.convolution import convolved, kernel_gradient, pulled_back
from pcsim_jax.namespace import JaxNamespace

EXPONENT_BITS = 8
SIGNIFICAND_BITS = 7


def rounded(values: Array) -> "Narrow":
    """Return float32 values rounded to nearest even."""
    kept = jax.lax.reduce_precision(values, EXPONENT_BITS, SIGNIFICAND_BITS)
    return Narrow(kept.astype(jnp.bfloat16))


@jax.tree_util.register_pytree_node_class
class Narrow:
    """An array of bfloat16 numbers with operators; comparisons give plain arrays of booleans."""

    __slots__ = ("stored",)
    __array_priority__: ClassVar[int] = 100

    def __init__(self, stored: Array) -> None:
        self.stored = stored

    def tree_flatten(self) -> tuple[tuple[Array], None]:
        """Return the stored numbers as the only leaf."""
        return (self.stored,), None

    @classmethod
    def tree_unflatten(cls, _: None, leaves: tuple[Array]) -> "Narrow":
        """Return an array of stored numbers."""
        return cls(leaves[0])

    @property
    def values(self) -> Array:
        """The numbers in float32."""
        return self.stored.astype(jnp.float32)

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.stored.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.stored.ndim

    @property
    def dtype(self) -> Any:
        """The format."""
        return self.stored.dtype

    @property
    def T(self) -> "Narrow":  # noqa: N802
        """The transposed array."""
        return Narrow(self.stored.T)

    def astype(self, dtype: Any) -> Array:
        """Return a plain array of another type: what it computes is no longer rounded."""
        return self.stored.astype(dtype)

    def reshape(self, *shape: int) -> "Narrow":
        """Return the same numbers in another shape."""
        return Narrow(self.stored.reshape(*shape))

    def transpose(self, *axes: int) -> "Narrow":
        """Return the numbers with the axes in another order."""
        return Narrow(self.stored.transpose(*axes))

    def swapaxes(self, first: int, second: int) -> "Narrow":
        """Return the numbers with two axes exchanged."""
        return Narrow(self.stored.swapaxes(first, second))

    def __getitem__(self, index: Any) -> "Narrow":
        return Narrow(self.stored[index])

    def __matmul__(self, other: "Narrow") -> "Narrow":
        """Return the product, accumulated in float32 and rounded once."""
        return rounded(jnp.matmul(self.stored, other.stored, preferred_element_type=jnp.float32))

    def __neg__(self) -> "Narrow":
        return Narrow(-self.stored)

    def __add__(self, other: Any) -> "Narrow":
        return rounded(self.values + plain(other))

    def __radd__(self, other: Any) -> "Narrow":
        return rounded(plain(other) + self.values)

    def __sub__(self, other: Any) -> "Narrow":
        return rounded(self.values - plain(other))

    def __rsub__(self, other: Any) -> "Narrow":
        return rounded(plain(other) - self.values)

    def __mul__(self, other: Any) -> "Narrow":
        return rounded(self.values * plain(other))

    def __rmul__(self, other: Any) -> "Narrow":
        return rounded(plain(other) * self.values)

    def __truediv__(self, other: Any) -> "Narrow":
        return rounded(self.values / plain(other))

    def __rtruediv__(self, other: Any) -> "Narrow":
        return rounded(plain(other) / self.values)

    def __gt__(self, other: Any) -> Array:
        return self.values > plain(other)

    def __ge__(self, other: Any) -> Array:
        return self.values >= plain(other)

    def __le__(self, other: Any) -> Array:
        return self.values <= plain(other)

    def __ne__(self, other: object) -> Any:
        return self.values != plain(other)

    __hash__ = None  # type: ignore[assignment]


def plain(x: Any) -> Array:
    """Return numbers, booleans or a constant as float32 to compute with."""
    if isinstance(x, Narrow):
        return x.values
    return jnp.asarray(x).astype(jnp.float32)


def _any_narrow(*operands: Any) -> bool:
    return any(isinstance(x, Narrow) for x in operands)


def _each(function: Callable[..., Array]) -> Callable[..., Array]:
    """Return a function of one array that rounds what it makes of narrow numbers, not of wide ones."""

    def apply(x: Array, /, **options: Any) -> Array:
        return rounded(function(x.values, **options)) if isinstance(x, Narrow) else function(x, **options)

    return apply


@dataclass(frozen=True)
class NarrowNamespace(JaxNamespace):
    """The functions of `Namespace` on bfloat16 arrays, and on the wide ones that energies come in.

    Sums are accumulated in float32 and rounded once.
    """

    exp = staticmethod(_each(jnp.exp))
    log = staticmethod(_each(jnp.log))
    log1p = staticmethod(_each(jnp.log1p))
    tanh = staticmethod(_each(jnp.tanh))
    sqrt = staticmethod(_each(jnp.sqrt))
    abs = staticmethod(_each(jnp.abs))
    normal_cdf = staticmethod(_each(JaxNamespace.normal_cdf))
    sum = staticmethod(_each(jnp.sum))
    max = staticmethod(_each(jnp.max))

    def maximum(self, a: Array, b: Array | float, /) -> Array:
        """Return the larger of each two entries."""
        return rounded(jnp.maximum(plain(a), plain(b))) if _any_narrow(a, b) else jnp.maximum(a, b)

    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array:
        """Choose entries of a where the condition holds, of b elsewhere."""
        return rounded(jnp.where(condition, plain(a), plain(b))) if _any_narrow(a, b) else jnp.where(condition, a, b)

    def zeros_like(self, x: Array, /) -> Array:
        """Return zeros shaped and typed as x."""
        return jax.tree.map(jnp.zeros_like, x)

    def stack(self, arrays: Sequence[Array], /) -> Array:
        """Join equally shaped arrays along a new first axis."""
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *arrays)

    def convolve(self, s: Array, kernel: Array, window: Window, /) -> Array:
        """Return the convolution, accumulated in float32 and rounded once."""
        return rounded(convolved(s.stored, kernel.stored, window, jnp.float32))

    def convolve_adjoint(self, v: Array, kernel: Array, window: Window, image: tuple[int, int], /) -> Array:
        """Return the transposed convolution, accumulated in float32 and rounded once."""
        return rounded(pulled_back(v.stored, kernel.stored, window, image, jnp.float32))

    def convolve_gradient(self, s: Array, v: Array, window: Window, /) -> Array:
        """Return the kernel's gradient, accumulated in float32 and rounded once."""
        return rounded(kernel_gradient(s.stored, v.stored, window, jnp.float32))

    def pad(self, s: Array, rows: int, columns: int, /) -> Array:
        """Return images with rows below and columns at the right, of zeros."""
        return Narrow(super().pad(s.stored, rows, columns))
