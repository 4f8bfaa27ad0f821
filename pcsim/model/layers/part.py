"""The contract of a part: one of the few maps of which every layer is a chain.

A part knows its own local Jacobian products. Arrays are (batch, *shape); parameters come by name, as the part calls
them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, get_args, runtime_checkable

from pcsim.model.arrays import Array, Namespace, Parameters

Shape: TypeAlias = tuple[int, ...]
"""Of one sample."""

Saved: TypeAlias = Array
"""What a forward map remembers for its pullback; opaque to the dynamics."""

Second: TypeAlias = Array
"""What is remembered of a point for second derivatives, None where they are zero; opaque to the dynamics."""

Anchor: TypeAlias = Array
"""What is remembered of a point to take an increment from there; opaque to the dynamics."""

Start: TypeAlias = Literal["drawn", "bias", "zeros", "ones"]
"""How a parameter starts."""


@dataclass(frozen=True)
class Parameter:
    """A parameter array: its shape, how it starts, what its initialiser scales with, and whether it is learned.

    `drawn` ones are weights, drawn by an initialiser with `fans` (fan in, fan out); a `bias` starts at zero unless the
    initialiser draws biases too; last come constants. Raises `ValueError` for a shape without axes, and another start.
    """

    shape: Shape
    start: Start = "drawn"
    fans: tuple[int, int] = (1, 1)
    trained: bool = True

    def __post_init__(self) -> None:
        if self.start not in get_args(Start):
            raise ValueError(f"has a parameter with start = {self.start!r}; give one of {', '.join(get_args(Start))}")
        if len(self.shape) == 0:
            raise ValueError("has a parameter of shape (), without axes; write (1,) for a single number")


@runtime_checkable
class Part(Protocol):
    """A differentiable map from samples (batch, *shape) to (batch, *output_shape(shape))."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameter arrays, by the names this part has for them."""
        ...

    @property
    def multiplications(self) -> int:
        """How many numbers of one sample are multiplied with weights in a forward pass."""
        ...

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of what it makes of samples of a shape; raises `ValueError` where they do not fit."""
        ...

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return the value at s and what is saved for the other products."""
        ...

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return vᵀ ∂f/∂s, shaped as s."""
        ...

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return ∂f/∂s Δs, shaped as f(s)."""
        ...

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return vᵀ ∂f/∂θ summed over the batch, for every parameter θ that is learned."""
        ...

    def second(self, xp: Namespace, parameters: Parameters, s: Array) -> Second:
        """Return what `bend` needs to know of the point s, None where there are no second derivatives."""
        ...

    def bend(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Return vᵀ ∂²f/∂s² Δs, shaped as s: how the pullback of v changes along Δs."""
        ...

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Return what `increment` needs to know of the point s, None for nothing."""
        ...

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Saved, Anchor]:
        """Return f(s) − f(s − Δs) without cancellation, then saved and anchor at s; `anchor` is at s − Δs.

        `s` is there for parts with parameters, and None for others.
        """
        ...
