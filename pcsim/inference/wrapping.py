"""What methods share that change how another one moves: all that they leave as it is."""

from dataclasses import dataclass, replace
from typing import Any, cast

from pcsim.inference.base import Carry, Inference
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Energy, Evaluation, States


@dataclass(frozen=True)
class Wrapping:
    """The base of methods on another method: its name and energy, what it holds fixed, carries and sees."""

    inference: Inference

    @property
    def name(self) -> str:
        """The word for the method."""
        return self.inference.name

    @property
    def energy(self) -> Energy:
        """The energy of the method."""
        return self.inference.energy

    def with_energy(self, energy: Energy) -> Inference:
        """Return the same on another energy."""
        return replace(cast("Any", self), inference=self.inference.with_energy(energy))

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold fixed what the method does."""
        return self.inference.clamp(xp, parameters, x, y)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Carry:
        """Return the carry of the method."""
        return self.inference.begin(xp, clamped, initial, stepper)

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Carry) -> Evaluation:
        """Return the evaluation of the method."""
        return self.inference.evaluate(xp, clamped, carry)
