"""Error optimization (EO): the prediction errors descend the energy through the whole network (EO paper)."""

from dataclasses import dataclass
from functools import partial

from pcsim.inference.base import Moving, Simultaneous, Traits, at_rest
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Namespace
from pcsim.model.energy import Clamped, Evaluation, States


@dataclass(frozen=True)
class ErrorOptimization(Simultaneous):
    """EO: s_i = f_i(s_{i−1}) + ε_i, ε_i ← ε_i − λ (γ_i ε_i + ∂ℓ/∂s_i) (model: section 2)."""

    name = "error"
    traits = Traits(moves_errors=True)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Moving:
        """Return the initial errors at rest; a feedforward pass has exact zeros."""
        if initial is None:
            initial = tuple(xp.zeros_like(s) for s in self.energy.feedforward(xp, clamped)[0])
        return at_rest(xp, initial, stepper)

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Moving) -> Evaluation:
        """Return the evaluation at the errors: a feedforward pass that each error perturbs."""
        states, predictions, saved = self.energy.feedforward(xp, clamped, carry.variables)
        errors = (*carry.variables, self.energy.error(xp, clamped, states, predictions[-1], len(states)))
        gradient = partial(self._gradient, xp, clamped)
        return Evaluation(states, errors, predictions[-1], saved, gradient)

    def _gradient(self, xp: Namespace, clamped: Clamped, point: Evaluation) -> States:
        downstream = self.energy.backpropagated(xp, clamped, point)
        return tuple(self.energy.weighted_error(point.errors, i) + total for i, total in enumerate(downstream))
