"""Langevin dynamics: inference at a temperature, whose states are samples (Oliviers, Bogacz, Meulemans 2024)."""

from dataclasses import dataclass, field, replace
from typing import Any

from pcsim.inference.base import Moving, Traits
from pcsim.inference.drawing import Drawing
from pcsim.inference.steppers import Stepper, step_size_of
from pcsim.model.arrays import Namespace
from pcsim.model.energy import Clamped, Evaluation


@dataclass(frozen=True)
class Langevin(Drawing):
    """State or error optimization by gradient descent, with noise: z ← z − λ ∇_z E + √(2 λ T) ξ, ξ ~ N(0, 1).

    Where λ is small, the variables z are in the end samples of exp(−E/T); steps of finite size have no correction.
    The stepper is gradient descent in constant steps: others would need noise of another size.

    Source: PLOS Computational Biology 20 (2024) e1012532, the overdamped form. Weights that learn at the end of
    inference learn from its last sample, as its authors' program does with one sample for every point of the data.
    """

    temperature: float = field(kw_only=True)

    @property
    def traits(self) -> Traits:
        """What the method is, with variables that move at random."""
        return replace(self.inference.traits, draws=True)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Moving, stepper: Stepper, step: Any
    ) -> Moving:
        """Take the method's step, and add noise to every variable."""
        moved: Moving = self.inference.advance(xp, clamped, point, carry, stepper, step)
        size = (2.0 * step_size_of(stepper) * self.temperature) ** 0.5
        drawn = self.drawn(xp, clamped, moved.variables, step)
        return moved._replace(variables=tuple(z + size * xi for z, xi in zip(moved.variables, drawn, strict=True)))
