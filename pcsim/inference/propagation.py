"""Equilibrium propagation: what a small pull towards the target moves is what weights learn from."""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from pcsim.inference.base import OnEnergy, Traits, increments
from pcsim.inference.steppers import Memory, Stepper
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Evaluation, States


class Phases(NamedTuple):
    """What is carried: the states, the output's last, those at the end of the free phase, and memory."""

    states: States
    free: States
    memory: tuple[Memory, ...]


@dataclass(frozen=True)
class EquilibriumPropagation(OnEnergy):
    """Descent in the states of F_β = Σ_i (½ ‖s_i‖² − s_iᵀ ŝ_i) + β ℓ(s_{N−1}, y), the output a state like the others.

    For the first `free_steps` steps β is 0 and there is no target; from there on it is the `nudge`. Weights learn by
    (∂_θ F_β at the end − ∂_θ F_0 at the end of the free phase)/β with ∂_θ F = −(∂f_i/∂θ)ᵀ s_i: as β → 0 and at rest in
    both phases, the gradient of the loss of the free equilibrium's output. A layer's error here is what the nudge has
    moved its state by, (s_i − s_i⁰)/β, the output's −∂ℓ/∂s; energies are half their squares, and the loss. The recorded
    gradient is that of the hidden states with the nudge, in both phases. There are neither precisions nor activity
    decay.

    In linear networks the Hessian has the blocks (I, −B, …, I + β) of `pcsim.linear.nudged`: it is positive definite
    for weights of spectral norm below ½, and descent runs off otherwise. With activations that are bounded it does not,
    but for the linear output layer of weights before activations, whose spectral norm must stay below 1.

    Source: Scellier and Bengio (2017), with feedforward predictions in place of their ρ(s_i)ᵀ W ρ(s_j): both are one
    for linear layers, as in the thesis (C.21–C.24), and our form takes any layer; for others the equilibria differ.
    """

    nudge: float = 0.1
    free_steps: int = 20

    name = "equilibrium-propagation"
    traits = Traits(has_phases=True)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Phases:
        """Return the initial states with the output that they predict, from a feedforward pass if None."""
        states = self.energy.feedforward(xp, clamped)[0] if initial is None else initial
        states = (*states, self.energy.predict(xp, clamped, states, len(states))[0])
        return Phases(states, states, tuple(stepper.begin(xp, s) for s in states))

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Phases) -> Evaluation:
        """Return the states, and the errors of what the nudge has moved."""
        *hidden, output = carry.states
        states = tuple(hidden)
        predictions, saved = self.energy.predict_all(xp, clamped, states)
        moved = ((s - free) * (1.0 / self.nudge) for s, free in zip(states, carry.free, strict=False))
        errors = (*moved, self.energy.loss.error(xp, output, clamped.y))
        gradient = partial(self._hidden_gradient, xp, clamped)
        slopes = partial(self._slopes, xp, clamped, carry.free)
        return Evaluation(states, errors, output, saved, gradient, predictions, slopes)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Phases, stepper: Stepper, step: Any
    ) -> Phases:
        """Move all states at once, without the target in the free phase."""
        gradient = self._gradient(xp, clamped, point, self.nudge * (step > self.free_steps))
        deltas, memory = increments(xp, gradient, stepper, carry.memory, step)
        states = tuple(s + d for s, d in zip(carry.states, deltas, strict=True))
        is_free = step <= self.free_steps
        free = tuple(xp.where(is_free, s, kept) for s, kept in zip(states, carry.free, strict=True))
        return Phases(states, free, memory)

    def _hidden_gradient(self, xp: Namespace, clamped: Clamped, point: Evaluation) -> States:
        return self._gradient(xp, clamped, point, self.nudge)[:-1]

    def _gradient(self, xp: Namespace, clamped: Clamped, point: Evaluation, nudge: Any) -> States:
        """Return ∂F/∂s of every state, the output's last."""
        states = (*point.states, point.output)
        found: list[Array] = [s - p for s, p in zip(states, point.predictions, strict=True)]
        for j, state in enumerate(states[1:], 1):
            for i, pulled in self.energy.pullback(xp, clamped, point.saved, state, j).items():
                found[i] = found[i] - pulled
        found[-1] = found[-1] - nudge * point.errors[-1]
        return tuple(found)

    def _slopes(self, xp: Namespace, clamped: Clamped, free: States, point: Evaluation) -> tuple[Parameters, ...]:
        """Return (∂_θ F_β − ∂_θ F_0)/β, as a mean over the batch."""
        _, saved = self.energy.predict_all(xp, clamped, free[:-1])
        scale = -1.0 / (self.nudge * clamped.x.shape[0])
        found: list[Parameters] = []
        for i, (layer, own) in enumerate(zip(self.energy.network.layers, clamped.parameters, strict=True)):
            nudged = layer.gradient(xp, own, point.saved[i], (*point.states, point.output)[i])
            before = layer.gradient(xp, own, saved[i], free[i])
            found.append({name: scale * (slope - before[name]) for name, slope in nudged.items()})
        return tuple(found)
