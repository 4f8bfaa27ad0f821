"""The base of layer parts of one's own: all that is needed is the value and the pullback."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from pcsim.model.activations import NODES, SHARES, accumulate
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.part import Anchor, Parameter, Saved, Second, Shape
from pcsim.model.smooth import SHORT, STEP, differences


@dataclass(frozen=True)
class CurvedPart(ABC):
    """A part from its value and its pullback, for samples of a `shape`; its other methods follow.

    What is saved is the point s. With parameters it says which they are, and what their gradient is. Where float32 must
    be right to its last digits, as in the increment form, it writes `pushforward`, too: differences have an error of
    about 1e-4 there, and of 1e-12 in float64. Points come in any number: a saved one may be of one sample where v is
    of many.
    """

    shape: Shape

    @abstractmethod
    def value(self, xp: Namespace, parameters: Parameters, s: Array) -> Array:
        """Return f(s) of samples s (batch, *shape)."""

    @abstractmethod
    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return vᵀ ∂f/∂s at the point that was saved."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """The parameter arrays by name: none, unless a subclass has some."""
        return {}

    @property
    def multiplications(self) -> int:
        """One for every weight."""
        return sum(prod(parameter.shape) for parameter in self.parameters.values() if len(parameter.shape) > 1)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape, unless a subclass makes another."""
        if shape != self.shape:
            raise ValueError(f"takes samples of shape {self.shape}, not {shape}")
        return shape

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return vᵀ ∂f/∂θ summed over the batch, for every parameter θ; a subclass with some says it."""
        return {}

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return f(s); what is saved is s."""
        return self.value(xp, parameters, s), s

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return ∂f/∂s Δs by differences of the value."""
        return _along(xp, saved, ds, lambda s: self.value(xp, parameters, s))

    def second(self, xp: Namespace, parameters: Parameters, s: Array) -> Second:
        """Return s."""
        return s

    def bend(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Return vᵀ ∂²f/∂s² Δs by differences of the pullback."""

        def pulled(s: Array) -> Array:
            return self.pullback(xp, parameters, self.forward(xp, parameters, s)[1], v)

        return _along(xp, second, ds, pulled)

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Return s, its low part zero."""
        return s, xp.zeros_like(s)

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Saved, Anchor]:
        """Return the pushforward's mean over the way by quadrature, the difference of the values for a long way."""
        return xp.increment(_WithParameters(self, parameters), anchor, ds)


class _WithParameters(NamedTuple):
    """A part with its parameters: a map of arrays, as an activation is."""

    part: CurvedPart
    parameters: Parameters

    def forward(self, xp: Namespace, s: Array) -> tuple[Array, Saved]:
        return self.part.forward(xp, self.parameters, s)

    def increment(self, xp: Namespace, anchor: Anchor, ds: Array) -> tuple[Array, Saved, Anchor]:
        part, parameters, (before, low) = self.part, self.parameters, anchor
        after, low = accumulate(before, low, ds)
        value, saved = part.forward(xp, parameters, after)
        delta = value - part.value(xp, parameters, before)
        short = sum(
            share * part.pushforward(xp, parameters, part.forward(xp, parameters, before + node * ds)[1], ds)
            for node, share in zip(NODES, SHARES, strict=True)
        )
        is_short = _like(_length(xp, ds) <= SHORT, delta)
        return xp.where(is_short, short, delta), saved, (after, low)


def _along(xp: Namespace, s: Array, ds: Array, function: Callable[[Array], Array]) -> Array:
    """Return how a function of s changes along Δs, by differences over a way as long for every sample."""
    length = _like(_length(xp, ds), ds)
    way = ds / xp.where(length > 0.0, length, 1.0)
    found = differences(lambda t: function(s + t * way)) / STEP
    return found * _like(_length(xp, ds), found)


def _length(xp: Namespace, ds: Array) -> Array:
    """Return the largest entry of every sample's Δs, (batch,)."""
    return xp.max(xp.abs(ds).reshape(ds.shape[0], -1), axis=1)


def _like(each: Array, array: Array) -> Array:
    """Return a number of every sample, (batch,), with as many axes as an array."""
    return each.reshape(-1, *(1,) * (array.ndim - 1))
