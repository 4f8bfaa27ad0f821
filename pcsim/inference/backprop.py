"""Backpropagation in the same words: feedforward states and the errors ε_i = −∂ℓ/∂s_i, in one step."""

from dataclasses import dataclass
from functools import partial
from typing import Any

from pcsim.inference.base import OnEnergy, Traits
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Evaluation, States


@dataclass(frozen=True)
class Backprop(OnEnergy):
    """The reference method: one step sets every error to −∂ℓ/∂s_i at the feedforward states."""

    name = "backprop"
    traits = Traits(moves_errors=True, freezes_predictions=True, backpropagates=True)

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input and target fixed, and with them all predictions: the states never move."""
        return self.energy.freeze(xp, self.energy.clamp(xp, parameters, x, y))

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> States:
        """Return zero errors."""
        return tuple(xp.zeros_like(s) for s in self.energy.feedforward(xp, clamped)[0])

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: States) -> Evaluation:
        """Return the feedforward pass with the given errors; the gradient is their distance to −∂ℓ/∂s."""
        states, predictions, saved = self.energy.feedforward(xp, clamped)
        errors = (*carry, self.energy.error(xp, clamped, states, predictions[-1], len(states)))
        return Evaluation(states, errors, predictions[-1], saved, partial(self._gradient, xp, clamped))

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: States, stepper: Stepper, step: Any
    ) -> States:
        """Set the errors to −∂ℓ/∂s."""
        downstream = self.energy.backpropagated(xp, clamped, point)
        return tuple(-total for total in downstream)

    def _gradient(self, xp: Namespace, clamped: Clamped, point: Evaluation) -> States:
        downstream = self.energy.backpropagated(xp, clamped, point)
        return tuple(error + total for error, total in zip(point.errors, downstream, strict=False))
