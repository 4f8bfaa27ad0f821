"""Squared errors, their target clamped hard or softly."""

from dataclasses import dataclass

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace
from pcsim.model.losses.loss import HardClamp


@dataclass(frozen=True)
class SquaredError(HardClamp):
    """ℓ = ½ ‖ŷ − y‖²."""

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return ½ ‖ŷ − y‖² of every sample."""
        return 0.5 * xp.sum_of_squares(self.error(xp, output, target))

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return y − ŷ."""
        return target - output

    def curvature_bound(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return 1."""
        return 1.0

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return v."""
        return v


@dataclass(frozen=True)
class SoftClampedSquaredError:
    """Soft clamping: a free output state at its minimum, s = (y + γ ŷ)/(1 + γ) (Alonso et al. 2023, eq. 3).

    Its energy ½‖y − s‖² + γ/2 ‖s − ŷ‖² is then γ/(1 + γ) · ½‖y − ŷ‖², and the error that the layer below
    sees, γ (s − ŷ), is γ/(1 + γ) (y − ŷ).
    """

    precision: float = 1.0

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return γ/(1 + γ) · ½ ‖y − ŷ‖² of every sample."""
        return (0.5 * self._share) * xp.sum_of_squares(target - output)

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return γ/(1 + γ) (y − ŷ)."""
        return self._share * (target - output)

    def curvature_bound(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return γ/(1 + γ)."""
        return self._share

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return γ/(1 + γ) v."""
        return self._share * v

    def output_state(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return (y + γ ŷ)/(1 + γ)."""
        return (target + self.precision * output) / (1.0 + self.precision)

    @property
    def _share(self) -> float:
        return self.precision / (1.0 + self.precision)
