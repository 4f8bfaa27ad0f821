"""The base of activations of one's own: all that is needed is the value and the slope."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from pcsim.model.activations import NODES, SHARES, Anchor, Increment, accumulate
from pcsim.model.arrays import Array, Namespace

SHORT = 0.125
"""Up to here four Gauss-Legendre nodes give an increment of tanh to 4e-14, and from here on a subtraction does."""
STEP = 1e-3
"""Of differences of fourth order, whose error in float64 is then about 1e-12."""


class SmoothActivation(ABC):
    """An activation from its value φ and its slope φ', both smooth; its other methods follow.

    A subclass with fields is a frozen dataclass. One with a kink writes `increment` itself, as `LeakyRelu` does, and
    returns None as its `second`.
    """

    @abstractmethod
    def value(self, xp: Namespace, p: Array) -> Array:
        """Return φ(p), elementwise, by the functions of `xp` and operators."""

    @abstractmethod
    def slope(self, xp: Namespace, p: Array) -> Array:
        """Return φ'(p)."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Any]:
        """Return φ(p); what is saved is φ'(p)."""
        return self.value(xp, p), self.slope(xp, p)

    def pullback(self, xp: Namespace, saved: Any, v: Array) -> Array:
        """Return v φ'."""
        return v * saved

    def second(self, xp: Namespace, p: Array) -> Array | None:
        """Return φ'' by differences of the slope."""
        return differences(lambda t: self.slope(xp, p + t)) / STEP

    def anchor(self, xp: Namespace, p: Array) -> Anchor:
        """Return p."""
        return p, xp.zeros_like(p)

    def increment(self, xp: Namespace, anchor: Anchor, d: Array) -> Increment:
        """Return φ(p + d) − φ(p): the mean of the slope by quadrature times d, by subtraction for a long d."""
        p, low = anchor
        q, low = accumulate(p, low, d)
        mean = sum(share * self.slope(xp, p + node * d) for node, share in zip(NODES, SHARES, strict=True))
        value, slope = self.forward(xp, q)
        delta = xp.where(xp.abs(d) <= SHORT, d * mean, value - self.value(xp, p))
        return delta, slope, (q, low)


def differences(function: Callable[[float], Array]) -> Array:
    """Return STEP · f'(0) of a function of one number, to fourth order."""
    near, far = function(STEP) - function(-STEP), function(2.0 * STEP) - function(-2.0 * STEP)
    return (8.0 * near - far) / 12.0
