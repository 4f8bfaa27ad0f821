"""Affine parts, f(s) = A s + b: all products follow from A, its transpose and the gradient of their parameters."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.part import Anchor, Parameter, Saved, Second, Shape


class Affine(ABC):
    """A s + b. A subclass says what A and its transpose do, and where it has parameters, their gradient and b."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """None, unless a subclass has some."""
        return {}

    @property
    def multiplications(self) -> int:
        """One for every weight, unless a subclass uses its weights more than once."""
        return sum(prod(parameter.shape) for parameter in self.parameters.values() if len(parameter.shape) > 1)

    @abstractmethod
    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape of what it makes of samples of a shape."""

    @abstractmethod
    def linear(self, xp: Namespace, parameters: Parameters, s: Array) -> Array:
        """Return A s."""

    @abstractmethod
    def transpose(self, xp: Namespace, parameters: Parameters, v: Array) -> Array:
        """Return Aᵀ v."""

    def bias(self, xp: Namespace, parameters: Parameters) -> Array | None:
        """Return b, that of one sample; None for zero."""
        return None

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return the gradient of vᵀ(A s + b), `saved` being s; a subclass with parameters says what it is."""
        return {}

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return A s + b; what is saved is s, where there is anything to learn."""
        value, bias = self.linear(xp, parameters, s), self.bias(xp, parameters)
        if bias is not None:
            # With parameters A s is an array of its own.
            value += bias
        return value, (s if self.parameters else None)

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return Aᵀ v."""
        return self.transpose(xp, parameters, v)

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return A Δs."""
        return self.linear(xp, parameters, ds)

    def second(self, xp: Namespace, parameters: Parameters, s: Array) -> Second:
        """Return nothing."""
        return None

    def bend(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Return zeros; nobody asks, for there is no second derivative."""
        return xp.zeros_like(ds)

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Return nothing: increments are the same everywhere."""
        return None

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Saved, Anchor]:
        """Return A Δs."""
        return self.linear(xp, parameters, ds), (s if self.parameters else None), None


@dataclass(frozen=True)
class Scale(Affine):
    """A number times: the premultiplier of µPC (model: section 1)."""

    factor: float

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def linear(self, xp: Namespace, parameters: Parameters, s: Array) -> Array:
        """Return the multiple."""
        return self.factor * s

    def transpose(self, xp: Namespace, parameters: Parameters, v: Array) -> Array:
        """Return the multiple."""
        return self.factor * v


@dataclass(frozen=True)
class Flatten(Affine):
    """The entries of a sample of `shape` one after another, the last axis running fastest."""

    shape: Shape

    def output_shape(self, shape: Shape) -> Shape:
        """Return the number of entries."""
        if shape != self.shape:
            raise ValueError(f"takes samples of shape {self.shape}, not {shape}")
        return (prod(shape),)

    def linear(self, xp: Namespace, parameters: Parameters, s: Array) -> Array:
        """Return the flat samples."""
        return s.reshape(s.shape[0], -1)

    def transpose(self, xp: Namespace, parameters: Parameters, v: Array) -> Array:
        """Return the samples in their shape."""
        return v.reshape(v.shape[0], *self.shape)
