"""The contract of a layer's forward map: a differentiable map that knows its own local Jacobian products."""

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

from pcsim.model.arrays import Array, Namespace, Parameters

Saved = Array
"""What a forward map remembers for its pullback; opaque to the dynamics."""

Second = Array
"""What an operation remembers of a point for second derivatives, None where they are zero; opaque to the dynamics."""

Anchor = Array
"""What an operation remembers of a point to take an increment from there; opaque to the dynamics."""


@runtime_checkable
class Operation(Protocol):
    """A differentiable map from samples (batch, *input_shape) to (batch, *output_shape)."""

    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def parameter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes by parameter name; matrices are (n_in, n_out)."""
        ...

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return the value at s and what is saved for `pullback` and `gradient`."""
        ...

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return vᵀ ∂op/∂s, shaped as s."""
        ...

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return ∂op/∂s ds, shaped as op(s)."""
        ...

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return vᵀ ∂op/∂θ summed over the batch, for every parameter θ."""
        ...

    def second(self, xp: Namespace, parameters: Parameters, s: Array) -> Second:
        """Return what `second_pullback` needs to know of the point s, None where there are no second derivatives."""
        ...

    def second_pullback(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Return vᵀ ∂²op/∂s² ds, shaped as s: how the pullback of v changes along ds."""
        ...

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Return what `increment` needs to know of the point s."""
        ...

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Saved, Anchor]:
        """Return op(s) − op(s − ds) without cancellation, what is saved and the anchor at s; `anchor` is at s − ds."""
        ...
