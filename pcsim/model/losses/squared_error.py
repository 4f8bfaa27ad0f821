"""Squared errors, their target clamped hard or softly."""

from dataclasses import dataclass

from pcsim.model.arrays import Namespace
from pcsim.model.losses.loss import Bound, Directions, Loss, Outputs, PerSample


@dataclass(frozen=True)
class SquaredError(Loss):
    """ℓ = ½ ‖ŷ − y‖²."""

    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return ½ ‖ŷ − y‖² of every sample."""
        return 0.5 * xp.sum_of_squares(self.error(xp, output, target))

    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return y − ŷ."""
        return target - output

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Return 1."""
        return 1.0

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return v."""
        return v


@dataclass(frozen=True)
class SoftClampedSquaredError(Loss):
    """Soft clamping: a free output state at its minimum, s = (y + γ ŷ)/(1 + γ) (Alonso et al. 2023, eq. 3).

    Its energy ½‖y − s‖² + γ/2 ‖s − ŷ‖² is then γ/(1 + γ) · ½‖y − ŷ‖², and the error that the layer below
    sees, γ (s − ŷ), is γ/(1 + γ) (y − ŷ).
    """

    precision: float = 1.0

    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return γ/(1 + γ) · ½ ‖y − ŷ‖² of every sample."""
        return (0.5 * self._share) * xp.sum_of_squares(target - output)

    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return γ/(1 + γ) (y − ŷ)."""
        return self._share * (target - output)

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Return γ/(1 + γ)."""
        return self._share

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return γ/(1 + γ) v."""
        return self._share * v

    def output_state(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return (y + γ ŷ)/(1 + γ)."""
        return (target + self.precision * output) / (1.0 + self.precision)

    @property
    def _share(self) -> float:
        return self.precision / (1.0 + self.precision)
