"""How precisions learn: γ of every hidden layer, beside its weights, from its errors at the end of inference.

The energy of a layer of n units is E = ½ (γ ‖ε‖² − n log γ) per sample, −log of a Gaussian with variance 1/γ: its slope
∂E/∂γ = ½ (‖ε‖² − n/γ), a batch mean, vanishes at γ = n/‖ε‖².
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.network import PRECISION


@runtime_checkable
class PrecisionRule(Protocol):
    """How a precision follows its slope."""

    def moved(
        self, xp: Namespace, gamma: Shaped[Array, "1"], slope: Shaped[Array, "1"], units: int
    ) -> Shaped[Array, "1"]:
        """Return γ after an update, from ∂E/∂γ and the number of units n."""
        ...


@dataclass(frozen=True)
class GradientRule:
    """Gradient descent on log γ, which keeps γ positive: log γ ← log γ − η γ ∂E/∂γ."""

    rate: float

    def moved(
        self, xp: Namespace, gamma: Shaped[Array, "1"], slope: Shaped[Array, "1"], units: int
    ) -> Shaped[Array, "1"]:
        """Return γ exp(−η γ ∂E/∂γ)."""
        return gamma * xp.exp(-self.rate * gamma * slope)


@dataclass(frozen=True)
class NaturalRule:
    """Natural gradient descent on σ² = 1/γ, whose Fisher information is n/(2σ⁴): σ² ← σ² + η (‖ε‖²/n − σ²).

    That is the same step in any other parameter to first order, a running mean of the squared error, and positive for
    η < 1 (Amari 1998).
    """

    rate: float

    def moved(
        self, xp: Namespace, gamma: Shaped[Array, "1"], slope: Shaped[Array, "1"], units: int
    ) -> Shaped[Array, "1"]:
        """Return 1/(1/γ + η 2/n ∂E/∂γ): ‖ε‖²/n − σ² is 2/n times the slope."""
        return 1.0 / (1.0 / gamma + (self.rate * 2.0 / units) * slope)


def with_moved_precisions(
    xp: Namespace,
    rule: PrecisionRule,
    parameters: Sequence[Parameters],
    gradient: Sequence[Parameters],
    units: Sequence[int],
) -> tuple[tuple[Parameters, ...], tuple[Parameters, ...]]:
    """Return parameters whose precisions have followed the gradient, `units` in each layer, and the rest of that."""
    pairs = enumerate(zip(parameters, gradient, strict=True))
    moved = tuple(
        {**own, PRECISION: rule.moved(xp, own[PRECISION], slopes[PRECISION], units[i])} if PRECISION in slopes else own
        for i, (own, slopes) in pairs
    )
    return moved, tuple({name: g for name, g in slopes.items() if name != PRECISION} for slopes in gradient)
