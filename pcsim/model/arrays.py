"""What the core asks of an array library: operators, and the few functions of a `Namespace`.

The core never imports a backend. Every function that computes takes a namespace `xp` first and uses nothing
beyond it and the operators of its arrays, so that numpy, JAX, CuPy and extended-precision object arrays all
run the same lines. In-place operators appear only on arrays a function has just made: mutable libraries save
an allocation, immutable ones bind a new array.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np

from pcsim.model.windows import Window
from pcsim.typing import NDArray

Array: TypeAlias = Any
"""An array of some library; shapes are given by jaxtyping annotations and checked at run time in tests."""

Values: TypeAlias = NDArray[np.float64]
"""An array on the host in float64, whatever the precision of the run."""

Numbers: TypeAlias = int | float | np.number[Any] | Sequence[int | float] | NDArray[Any]
"""A number or some, for functions of theory that broadcast over what they are given."""

Parameters: TypeAlias = dict[str, Array]
"""The named parameter arrays of one layer, e.g. `{"W": (n_in, n_out), "b": (n_out,)}`."""


@runtime_checkable
class Curve(Protocol):
    """What `Namespace.increment` takes increments of: an activation, or a part with its parameters."""

    def forward(self, xp: "Namespace", p: Array, /) -> tuple[Array, Any]:
        """Return the value at p and what is saved."""
        ...

    def increment(self, xp: "Namespace", anchor: Any, d: Array, /) -> tuple[Array, Any, Any]:
        """Return how the value changes along d, without cancellation, then saved and anchor at p + d."""
        ...


@runtime_checkable
class Namespace(Protocol):
    """The functions the dynamics need from an array library, elementwise unless said."""

    def exp(self, x: Array, /) -> Array: ...
    def log(self, x: Array, /) -> Array: ...
    def log1p(self, x: Array, /) -> Array: ...
    def tanh(self, x: Array, /) -> Array: ...
    def sqrt(self, x: Array, /) -> Array: ...
    def abs(self, x: Array, /) -> Array: ...
    def normal_cdf(self, x: Array, /) -> Array:
        """Normal distribution function Φ, with an accurate lower tail."""
        ...

    def normal_density(self, x: Array, /) -> Array:
        """Normal density Φ'."""
        ...

    def maximum(self, a: Array, b: Array | float, /) -> Array: ...
    def where(self, condition: Array, a: Array | float, b: Array | float, /) -> Array: ...
    def zeros_like(self, x: Array, /) -> Array: ...
    def stack(self, arrays: Sequence[Array], /) -> Array:
        """Join equally shaped arrays along a new first axis."""
        ...

    def sum(self, x: Array, /, *, axis: int, keepdims: bool = False) -> Array:
        """Sum over one axis."""
        ...

    def max(self, x: Array, /, *, axis: int, keepdims: bool = False) -> Array:
        """Largest entry over one axis."""
        ...

    def any(self, x: Array, /) -> Array:
        """Whether any entry is not zero, a boolean scalar."""
        ...

    def increment(self, curve: Curve, anchor: Any, d: Array, /) -> tuple[Array, Any, Any]:
        """Return φ(p + d) − φ(p) as the arithmetic does it best, then saved and anchor at p + d.

        `anchor` is the curve's at p, and its first entry is p. Floating point asks the curve for a form without
        cancellation; arithmetic that is wide enough subtracts.
        """
        ...

    def convolve(self, s: Array, kernel: Array, window: Window, /) -> Array:
        """Return what every window of images s (batch, h, w, c) makes with a kernel (k, k, c, out).

        Namespaces without convolutions of their own inherit `Gathered`.
        """
        ...

    def convolve_adjoint(self, v: Array, kernel: Array, window: Any, image: tuple[int, int], /) -> Array:
        """Return the transpose of `convolve` applied to v (batch, rows, columns, out), for images of this size."""
        ...

    def convolve_gradient(self, s: Array, v: Array, window: Window, /) -> Array:
        """Return the gradient of vᵀ convolve(s, kernel) with respect to the kernel, summed over the batch."""
        ...

    def pad(self, s: Array, rows: int, columns: int, /) -> Array:
        """Return images (batch, h, w, c) with so many more rows below and columns at the right, of zeros."""
        ...

    def wide(self, x: Array, /) -> Array:
        """Return `x` in the type energies are accumulated in: float64, or the backend's own wider type."""
        ...

    def sum_of_squares(self, x: Array, /) -> Array:
        """Per-sample sum of squares over all axes but the first, accumulated in the wide type: shape (batch,)."""
        ...
