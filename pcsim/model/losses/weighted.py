"""An output loss with a precision: how much a clamped output weighs beside the errors of hidden layers."""

from dataclasses import dataclass

from pcsim.model.arrays import Namespace
from pcsim.model.losses.loss import Bound, Directions, Loss, Outputs, PerSample


@dataclass(frozen=True)
class Weighted(Loss):
    """λ ℓ for another loss ℓ: the energy's last term, its target clamped hard; what is measured stays ℓ.

    Of a linear network with squared error the equilibrated energy is ½ rᵀ S⁻¹ r with S = 1/λ + Σ A_i A_iᵀ/γ_i.
    """

    loss: Loss
    precision: float

    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return λ ℓ of every sample."""
        return self.precision * self.loss.value(xp, output, target)

    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return −λ ∂ℓ/∂ŷ."""
        return self.precision * self.loss.error(xp, output, target)

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Return λ times that of ℓ."""
        return self.precision * self.loss.curvature_bound(xp, target)

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return λ ∂²ℓ/∂ŷ² v."""
        return self.precision * self.loss.curvature(xp, output, target, v)

    def output_state(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return what ℓ says."""
        return self.loss.output_state(xp, output, target)


def unweighted(loss: Loss) -> Loss:
    """Return a loss without its precision."""
    return loss.loss if isinstance(loss, Weighted) else loss
