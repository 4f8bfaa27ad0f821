"""Activation functions: the value, the pullback of an error through it, and increments without cancellation.

`forward` returns the value and what is saved for the pullback; `pullback` multiplies an error by
the derivative φ'. `increment` gives φ(p + d) − φ(p) to full relative accuracy wherever p and d are, from an *anchor*:
a tuple that begins with p and with what rounding has so far kept out of it. All are elementwise and work on arrays of
any shape.

The formulas for increments were chosen by measured error: `docs/precision.md` lists it for the whole range of float32.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from pcsim.model.arrays import Array, Namespace

Anchor: TypeAlias = tuple[Array, ...]
"""A point p, its low part, and what an activation remembers of it for the next increment."""

Increment: TypeAlias = tuple[Array, Any, Anchor]
"""φ(p + d) − φ(p), then what is saved and the anchor at p + d."""


def accumulate(total: Array, low: Array, d: Array) -> tuple[Array, Array]:
    """Return total + d and the part that rounding kept out of it (Kahan 1965); `low` is that of the sums before.

    Sixty-four increments below half a unit in the last place move a narrow total as far as they should.
    """
    low = low + d
    after = total + low
    low -= after - total
    return after, low


@runtime_checkable
class Activation(Protocol):
    """An elementwise function φ and its derivative."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Any]:
        """Return φ(p) and what is saved for `pullback`."""
        ...

    def pullback(self, xp: Namespace, saved: Any, v: Array) -> Array:
        """Return v · φ'(p)."""
        ...

    def second(self, xp: Namespace, p: Array) -> Array | None:
        """Return φ''(p), None where it is zero everywhere but at kinks."""
        ...

    def anchor(self, xp: Namespace, p: Array) -> Anchor:
        """Return the anchor at p, its low part zero."""
        ...

    def increment(self, xp: Namespace, anchor: Anchor, d: Array) -> Increment:
        """Return φ(p + d) − φ(p), and what is saved and anchor at p + d."""
        ...


@dataclass(frozen=True)
class Linear:
    """φ(p) = p."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Any]:
        """Return p itself; nothing needs remembering."""
        return p, None

    def pullback(self, xp: Namespace, saved: Any, v: Array) -> Array:
        """Return v."""
        return v

    def second(self, xp: Namespace, p: Array) -> Array | None:
        """Return nothing: φ'' is zero."""
        return None

    def anchor(self, xp: Namespace, p: Array) -> Anchor:
        """Return p, which no increment depends on."""
        return p, xp.zeros_like(p)

    def increment(self, xp: Namespace, anchor: Anchor, d: Array) -> Increment:
        """Return d."""
        return d, None, anchor


class _Curved:
    """What saves its derivative φ'."""

    def pullback(self, xp: Namespace, saved: Any, v: Array) -> Array:
        """Return v φ'."""
        return v * saved


@dataclass(frozen=True)
class Tanh(_Curved):
    """φ(p) = tanh p, φ' = 1 − φ²."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Any]:
        """Return tanh p; what is saved is φ'."""
        value = xp.tanh(p)
        return value, 1.0 - value * value

    def second(self, xp: Namespace, p: Array) -> Array | None:
        """Return −2 φ φ'."""
        value = xp.tanh(p)
        return -2.0 * value * (1.0 - value * value)

    def anchor(self, xp: Namespace, p: Array) -> Anchor:
        """Return p and e^−2|p|."""
        return p, xp.zeros_like(p), xp.exp(-2.0 * xp.abs(p))

    def increment(self, xp: Namespace, anchor: Anchor, d: Array) -> Increment:
        """Return sinh d / (cosh p cosh(p + d)) in decaying exponentials, which cannot overflow."""
        p, low, below = anchor
        q, low = accumulate(p, low, d)
        above = xp.exp(-2.0 * xp.abs(q))
        delta = _logistic_increment(xp, p, q, below, above, xp.tanh(d))
        delta *= 4.0
        slope = 1.0 + above
        slope *= slope
        return delta, 4.0 * above / slope, (q, low, above)


def sigmoid(xp: Namespace, p: Array) -> Array:
    """Return 1/(1 + e^−p) without overflow and with full relative accuracy at both ends."""
    decayed = xp.exp(-xp.abs(p))
    return xp.where(p >= 0, 1.0, decayed) / (1.0 + decayed)


@dataclass(frozen=True)
class Sigmoid(_Curved):
    """φ(p) = 1/(1 + e^−p), φ' = φ(1 − φ)."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Any]:
        """Return the logistic function of p; what is saved is φ' (1 − φ cancels where φ is near 1)."""
        decayed = xp.exp(-xp.abs(p))
        total = 1.0 + decayed
        return xp.where(p >= 0, 1.0, decayed) / total, decayed / (total * total)

    def second(self, xp: Namespace, p: Array) -> Array | None:
        """Return φ' (1 − 2φ), with 1 − 2φ = −tanh(p/2)."""
        decayed = xp.exp(-xp.abs(p))
        total = 1.0 + decayed
        return -xp.tanh(0.5 * p) * decayed / (total * total)

    def anchor(self, xp: Namespace, p: Array) -> Anchor:
        """Return p and e^−|p|."""
        return p, xp.zeros_like(p), xp.exp(-xp.abs(p))

    def increment(self, xp: Namespace, anchor: Anchor, d: Array) -> Increment:
        """Return half the increment of tanh at half the argument."""
        p, low, below = anchor
        q, low = accumulate(p, low, d)
        above = xp.exp(-xp.abs(q))
        delta = _logistic_increment(xp, p, q, below, above, xp.tanh(0.5 * d))
        delta *= 2.0
        total = 1.0 + above
        total *= total
        return delta, above / total, (q, low, above)


def _logistic_increment(xp: Namespace, p: Array, q: Array, below: Array, above: Array, u: Array) -> Array:
    """Return (tanh q − tanh p)/4 from below = e^−2|p|, above = e^−2|q| and u = tanh(q − p).

    Where p and q have the same sign the larger exponential is a factor, elsewhere 1 is.
    """
    delta = u * xp.where(p * q > 0, xp.maximum(below, above), 1.0)
    spread = 1.0 + xp.abs(u)
    spread *= 1.0 + below
    spread *= 1.0 + above
    delta /= spread
    return delta


@dataclass(frozen=True)
class LeakyRelu:
    """φ(p) = p for p > 0, `negative_slope`·p elsewhere; ReLU is the slope 0. φ'(0) is the negative slope."""

    negative_slope: float = 0.0

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Any]:
        """Return φ(p); what is saved says where p is positive."""
        if self.negative_slope == 0.0:
            return xp.maximum(p, 0.0), p > 0
        return xp.where(p > 0, p, self.negative_slope * p), p > 0

    def pullback(self, xp: Namespace, saved: Any, v: Array) -> Array:
        """Return v where p > 0 and `negative_slope`·v elsewhere."""
        if self.negative_slope == 0.0:
            return v * saved
        return xp.where(saved, v, self.negative_slope * v)

    def second(self, xp: Namespace, p: Array) -> Array | None:
        """Return nothing: φ'' is zero, the kink left out."""
        return None

    def anchor(self, xp: Namespace, p: Array) -> Anchor:
        """Return p and where it is positive."""
        return p, xp.zeros_like(p), p > 0

    def increment(self, xp: Namespace, anchor: Anchor, d: Array) -> Increment:
        """Return the increment piece by piece: each side of the kink, and across it."""
        (p, low, positive), slope = anchor, self.negative_slope
        q, low = accumulate(p, low, d)
        above = q > 0
        if slope == 0.0:
            # max(d, −p) from above the kink and max(p + d, 0) from below it, each exact: p is one of its two parts.
            part = p * positive
            return xp.maximum(d + (p - part), -part), above, (q, low, above)
        falling = xp.where(above, d, slope * q - p)
        rising = xp.where(above, q - slope * p, slope * d)
        return xp.where(positive, falling, rising), above, (q, low, above)


# Gauss-Legendre on [0, 1]: with |d| (1 + max(|p|, |q|)) below REACH four nodes give the mean of N to 2e-16, and beyond
# it differences of tails lose less than a factor of 8.
NODES = (0.06943184420297371, 0.33000947820757187, 0.6699905217924281, 0.9305681557970263)
SHARES = (0.17392742256872693, 0.32607257743127307, 0.32607257743127307, 0.17392742256872693)
REACH = 0.15


@dataclass(frozen=True)
class Gelu(_Curved):
    """φ(p) = p Φ(p) with Φ the normal distribution function (Hendrycks & Gimpel 2016, the exact form)."""

    def forward(self, xp: Namespace, p: Array) -> tuple[Array, Any]:
        """Return p Φ(p); what is saved is φ' = Φ + p N."""
        phi = xp.normal_cdf(p)
        slope = xp.normal_density(p)
        slope *= p
        slope += phi
        return p * phi, slope

    def second(self, xp: Namespace, p: Array) -> Array | None:
        """Return (2 − p²) N with N the normal density."""
        return (2.0 - p * p) * xp.normal_density(p)

    def anchor(self, xp: Namespace, p: Array) -> Anchor:
        """Return p and the tail Φ(−|p|)."""
        return p, xp.zeros_like(p), xp.normal_cdf(-xp.abs(p))

    def increment(self, xp: Namespace, anchor: Anchor, d: Array) -> Increment:
        """Return d Φ(q) + p ∫ N from p to q = p + d: by quadrature for short d, from tails for long.

        A long way that starts or ends below zero is φ(q) − φ(p) as it stands: the two have opposite signs, or differ
        by a large factor, or one is small beside the way itself.
        """
        p, low, below = anchor
        q, low = accumulate(p, low, d)
        above = xp.normal_cdf(-xp.abs(q))
        inside = sum(share * xp.normal_density(p + node * d) for node, share in zip(NODES, SHARES, strict=True))
        here, there = xp.where(p > 0, 1.0 - below, below), xp.where(q > 0, 1.0 - above, above)
        positive = d * there + p * (below - above)
        plain = q * there - p * here
        long = xp.where(p > 0, xp.where(q > 0, positive, plain), plain)
        is_short = xp.abs(d) * (1.0 + xp.maximum(xp.abs(p), xp.abs(q))) <= REACH
        delta = xp.where(is_short, d * (there + p * inside), long)
        return delta, there + q * xp.normal_density(q), (q, low, above)
