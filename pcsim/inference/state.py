"""State optimization (SO): the states descend the energy, all layers at once (model: section 2)."""

from dataclasses import dataclass
from functools import partial

from pcsim.inference.base import Moving, Simultaneous, Traits, at_rest
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Energy, Evaluation, States
from pcsim.model.top_down import AllDownward


def evaluate_states(xp: Namespace, energy: Energy, clamped: Clamped, states: States) -> Evaluation:
    """Return the evaluation at given states, with ε_i = s_i − ŝ_i; its gradient is ∇_s E."""
    predictions, saved = energy.predict_all(xp, clamped, states)
    gradient = partial(state_gradient, xp, energy, clamped)
    errors = tuple(energy.error(xp, clamped, states, p, i) for i, p in enumerate(predictions))
    downward: AllDownward = ()
    if energy.network.top_down:
        known = {-1: clamped.x, **dict(enumerate(states)), len(states): clamped.y}
        downward = energy.top_down.at(xp, clamped.parameters, known)
    return Evaluation(states, errors, predictions[-1], saved, gradient, predictions, downward=downward)


def state_gradient(xp: Namespace, energy: Energy, clamped: Clamped, point: Evaluation) -> States:
    """Return ∇_s E of every free state."""
    found = energy.state_gradients(xp, clamped, point.states, point.errors, point.saved)
    if not point.downward:
        return found
    moved = energy.top_down.added_to_gradients(xp, clamped.parameters, found, point.downward)
    return tuple(energy.released(xp, dict(enumerate(moved))).values())


@dataclass(frozen=True)
class StateOptimization(Simultaneous):
    """SO in the standard form: s_i ← s_i − λ ∇_{s_i}E with ε_i = s_i − f_i(s_{i−1})."""

    name = "state"
    traits = Traits()

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Moving:
        """Return the initial states at rest."""
        states = self.energy.first_states(xp, clamped) if initial is None else initial
        return at_rest(xp, states, stepper)

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Moving) -> Evaluation:
        """Return the evaluation at the states."""
        return evaluate_states(xp, self.energy, clamped, carry.variables)


@dataclass(frozen=True)
class FixedPredictions(StateOptimization):
    """SO with every prediction and pullback frozen at the feedforward pass (EO paper, B.1)."""

    traits = Traits(freezes_predictions=True)

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input, target and all predictions fixed."""
        return self.energy.freeze(xp, self.energy.clamp(xp, parameters, x, y))
