"""Activation functions: the value, and the pullback of an error through it.

`forward` returns the value and a residue, whatever the pullback wants to remember; `pullback` multiplies an
error by the derivative φ'. All are elementwise and work on arrays of any shape.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from pcsim.arrays import Array, Namespace


@runtime_checkable
class Activation(Protocol):
    """An elementwise function φ and its derivative."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Array]:
        """Return φ(p) and the residue for `pullback`."""
        ...

    def pullback(self, xp: Namespace, residue: Array, v: Array) -> Array:
        """Return v · φ'(p)."""
        ...


@dataclass(frozen=True)
class Linear:
    """φ(p) = p."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Array]:
        """Return p itself; nothing needs remembering."""
        return p, None

    def pullback(self, xp: Namespace, residue: Array, v: Array) -> Array:
        """Return v."""
        return v


@dataclass(frozen=True)
class Tanh:
    """φ(p) = tanh p, φ' = 1 − φ²."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Array]:
        """Return tanh p; the residue is the value."""
        value = xp.tanh(p)
        return value, value

    def pullback(self, xp: Namespace, residue: Array, v: Array) -> Array:
        """Return v (1 − φ²)."""
        lost = residue * residue
        lost *= v
        return v - lost


def sigmoid(xp: Namespace, p: Array) -> Array:
    """Return 1/(1 + e^−p) without overflow and with full relative accuracy at both ends."""
    decayed = xp.exp(-xp.abs(p))
    return xp.where(p >= 0, 1.0, decayed) / (1.0 + decayed)


@dataclass(frozen=True)
class Sigmoid:
    """φ(p) = 1/(1 + e^−p), φ' = φ(1 − φ)."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Array]:
        """Return the logistic function of p; the residue is φ' (1 − φ cancels where φ is near 1)."""
        decayed = xp.exp(-xp.abs(p))
        total = 1.0 + decayed
        return xp.where(p >= 0, 1.0, decayed) / total, decayed / (total * total)

    def pullback(self, xp: Namespace, residue: Array, v: Array) -> Array:
        """Return v φ(1 − φ)."""
        return v * residue


@dataclass(frozen=True)
class LeakyRelu:
    """φ(p) = p for p > 0, `negative_slope`·p elsewhere; ReLU is the slope 0. φ'(0) is the negative slope."""

    negative_slope: float = 0.0

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Array]:
        """Return φ(p); the residue says where p is positive."""
        if self.negative_slope == 0.0:
            return xp.maximum(p, 0.0), p > 0
        return xp.where(p > 0, p, self.negative_slope * p), p > 0

    def pullback(self, xp: Namespace, residue: Array, v: Array) -> Array:
        """Return v where p > 0 and `negative_slope`·v elsewhere."""
        if self.negative_slope == 0.0:
            return v * residue
        return xp.where(residue, v, self.negative_slope * v)


@dataclass(frozen=True)
class Gelu:
    """φ(p) = p Φ(p) with Φ the normal distribution function (Hendrycks & Gimpel 2016, the exact form)."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Array]:
        """Return p Φ(p); Φ = ½ erfc(−p/√2) keeps its relative accuracy in the lower tail, ½(1 + erf) does not."""
        phi = xp.erfc(p * -math.sqrt(0.5))
        phi *= 0.5
        return p * phi, (p, phi)

    def pullback(self, xp: Namespace, residue: Array, v: Array) -> Array:
        """Return v (Φ(p) + p N(p)), N the normal density."""
        p, phi = residue
        slope = p * p
        slope *= -0.5
        slope = xp.exp(slope)
        slope *= p
        slope *= 1 / math.sqrt(2 * math.pi)
        slope += phi
        slope *= v
        return slope
