"""Continuous time: inference as a vector field, dz/dt = −∇E (model: section 2, gradient flow)."""

from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

from pcsim.inference.base import Inference, Moving
from pcsim.inference.state import state_gradient
from pcsim.inference.steppers import GradientDescent
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Energy, Evaluation, States


@runtime_checkable
class VectorField(Protocol):
    """Inference whose variables, one array (batch, *units) each, move in continuous time. It knows no solver."""

    @property
    def energy(self) -> Energy: ...

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input, target and whatever else never changes fixed."""
        ...

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None) -> States:
        """Return the variables at time 0, from `initial` states or errors or a feedforward pass if None."""
        ...

    def evaluate(self, xp: Namespace, clamped: Clamped, variables: States) -> Evaluation:
        """Return states, errors, output and what is saved at this point."""
        ...

    def velocity(self, xp: Namespace, clamped: Clamped, variables: States) -> States:
        """Return dz/dt of every variable."""
        ...


def gradient_flow(inference: Inference) -> VectorField:
    """Return the gradient flow of which the inference method is the discrete map."""
    if inference.traits.carries_errors:
        return IncrementFlow(inference.energy)
    return GradientFlow(inference)


@dataclass(frozen=True)
class GradientFlow:
    """The flow of a method in its own variables: states (SO) or errors (EO)."""

    inference: Inference

    @property
    def energy(self) -> Energy:
        """The energy of the method."""
        return self.inference.energy

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold fixed what the method does."""
        return self.inference.clamp(xp, parameters, x, y)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None) -> States:
        """Return the method's variables at its start."""
        # Gradient descent remembers nothing; its step size is never used.
        return self.inference.begin(xp, clamped, initial, GradientDescent(1.0)).variables

    def evaluate(self, xp: Namespace, clamped: Clamped, variables: States) -> Evaluation:
        """Return the method's evaluation."""
        return self.inference.evaluate(xp, clamped, Moving(variables, ()))

    def velocity(self, xp: Namespace, clamped: Clamped, variables: States) -> States:
        """Return −∇E."""
        return tuple(-g for g in self.evaluate(xp, clamped, variables).gradient)


@dataclass(frozen=True)
class IncrementFlow:
    """The flow of SO with the errors as variables of their own, so that none is a difference of nearly equal numbers.

    ds_i/dt = −∇_{s_i}E and dε_i/dt = ds_i/dt − Σ_j ∂ŝ_i/∂s_j ds_j/dt: the limit λ → 0 of the increment form (model:
    section 3). The variables are s_0 … s_{N−2}, then ε_0 … ε_{N−2}.
    """

    energy: Energy

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input and target fixed."""
        return self.energy.clamp(xp, parameters, x, y)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None) -> States:
        """Return the initial states and their errors, exact zeros after a feedforward pass."""
        states = self.energy.first_states(xp, clamped) if initial is None else initial
        if initial is None and self.energy.network.amortiser is None:
            return (*states, *(xp.zeros_like(s) for s in states))
        predictions, _ = self.energy.predict_all(xp, clamped, states)
        return (*states, *(s - p for s, p in zip(states, predictions[:-1], strict=True)))

    def evaluate(self, xp: Namespace, clamped: Clamped, variables: States) -> Evaluation:
        """Return the evaluation that states and carried errors make up."""
        free = len(variables) // 2
        states, errors = variables[:free], variables[free:]
        predictions, saved = self.energy.predict_all(xp, clamped, states)
        output_error = self.energy.error(xp, clamped, states, predictions[-1], free)
        gradient: Any = partial(state_gradient, xp, self.energy, clamped)
        return Evaluation(states, (*errors, output_error), predictions[-1], saved, gradient)

    def velocity(self, xp: Namespace, clamped: Clamped, variables: States) -> States:
        """Return ds/dt, then dε/dt."""
        point = self.evaluate(xp, clamped, variables)
        moves = tuple(-g for g in point.gradient)
        changes = dict(enumerate(moves))
        drifts: list[Array] = []
        for i, layer in enumerate(self.energy.network.layers[:-1]):
            drift = moves[i]
            if any(j in changes for j in layer.reads):
                drift = drift - layer.pushforward(xp, clamped.parameters[i], point.saved[i], changes)
            drifts.append(drift)
        return (*moves, *drifts)
