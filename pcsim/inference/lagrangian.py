"""The augmented Lagrangian: states descend it, a multiplier a layer gathers that layer's error (Seely, Gould 2026)."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from pcsim.inference.base import OnEnergy, Traits, increments
from pcsim.inference.steppers import Memory, Stepper
from pcsim.model.arrays import Namespace
from pcsim.model.energy import Clamped, Evaluation, States


class Multiplied(NamedTuple):
    """What is carried: states, the layers' multipliers in units of their precisions, and memory."""

    states: States
    multipliers: States
    memory: tuple[Memory, ...]


@dataclass(frozen=True)
class AugmentedLagrangian(OnEnergy):
    """PC-ALM: descent in the states of L = Σ_i γ_i/2 ‖c_i‖² + λ_iᵀ c_i + ℓ(ŷ, y), ascent in the multipliers λ_i.

    c_i = s_i − ŝ_i is what SO calls the error. With λ_i = γ_i u_i (a precision a layer in place of the one penalty ρ),

        u_i ← u_i + `dual_step` c_i after every `dual_every` steps,    s_i ← s_i − λ ∇_{s_i}L.

    A layer's error here is ε_i = c_i + u_i, that of its output −∂ℓ/∂ŷ: with it ∇_s L and ∇_θ L have the form of
    ∇_s E and ∇_θ E, and the layerwise energies γ_i/2 ‖ε_i‖² are L's up to ‖λ_i‖²/(2 γ_i). Where it comes to rest,
    c = 0: states are those of the feedforward pass and γ_i ε_i = −∂ℓ/∂s_i, so that weights learn by
    backpropagation's gradient. That is so in any network; that it gets there is known where L is quadratic, in steps
    below 4/((2 + `dual_step`) λ_max).

    Source: arXiv 2605.31022 and its authors' program, whose ρ is γ and whose α is `dual_step` ρ; weights learn from the
    multipliers before their last ascent, as there by default. An activity decay adds its term to L, as it does to E.
    """

    dual_step: float = 1.0
    dual_every: int = 1

    name = "augmented-lagrangian"
    traits = Traits(has_multipliers=True)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Multiplied:
        """Return the initial states, multipliers of zero and no memory of steps."""
        states = self.energy.first_states(xp, clamped) if initial is None else initial
        nothing = tuple(xp.zeros_like(s) for s in states)
        return Multiplied(states, nothing, tuple(stepper.begin(xp, s) for s in states))

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Multiplied) -> Evaluation:
        """Return the evaluation at states and multipliers.

        Its gradient is that after one more ascent: it is zero where both are at rest, that before it wherever states
        have settled between two ascents.
        """
        predictions, saved = self.energy.predict_all(xp, clamped, carry.states)
        output = self.energy.error(xp, clamped, carry.states, predictions[-1], len(carry.states))
        gaps = _gaps(carry.states, predictions)
        errors = tuple(c + u for c, u in zip(gaps, carry.multipliers, strict=True))
        gradient = partial(self._gradient, xp, clamped, self._raised(carry.multipliers, gaps))
        return Evaluation(carry.states, (*errors, output), predictions[-1], saved, gradient, predictions)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Multiplied, stepper: Stepper, step: Any
    ) -> Multiplied:
        """Let the multipliers ascend where that is due, and then move all states at once."""
        due = (step > 1) & ((step - 1) % self.dual_every == 0)
        raised = self._raised(carry.multipliers, _gaps(point.states, point.predictions))
        multipliers = tuple(xp.where(due, new, old) for new, old in zip(raised, carry.multipliers, strict=True))
        gradient = self._gradient(xp, clamped, multipliers, point)
        deltas, memory = increments(xp, gradient, stepper, carry.memory, step)
        return Multiplied(tuple(s + d for s, d in zip(carry.states, deltas, strict=True)), multipliers, memory)

    def _raised(self, multipliers: States, gaps: States) -> States:
        return tuple(u + self.dual_step * c for u, c in zip(multipliers, gaps, strict=True))

    def _gradient(self, xp: Namespace, clamped: Clamped, multipliers: States, point: Evaluation) -> States:
        """Return ∇_s L at a point with other multipliers."""
        gaps = _gaps(point.states, point.predictions)
        errors = (*(c + u for c, u in zip(gaps, multipliers, strict=True)), point.errors[-1])
        return self.energy.state_gradients(xp, clamped, point.states, errors, point.saved)


def _gaps(states: States, predictions: States) -> States:
    """Return s_i − ŝ_i of every hidden layer."""
    return tuple(s - p for s, p in zip(states, predictions[:-1], strict=True))
