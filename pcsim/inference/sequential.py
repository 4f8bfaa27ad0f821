"""Sequential state optimization: layer by layer from the output down (Alonso et al. 2024)."""

from dataclasses import dataclass
from typing import Any, ClassVar

from pcsim.arrays import Array, Namespace, Parameters
from pcsim.energy import Clamped, Energy, Evaluation, States
from pcsim.inference.base import Moving, at_rest
from pcsim.inference.state import evaluate_states
from pcsim.steppers import Stepper


@dataclass(frozen=True)
class SequentialStateOptimization:
    """SO in sweeps: each state moves with errors recomputed from the newest states above it."""

    energy: Energy
    name: ClassVar[str] = "sequential"

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input and target fixed."""
        return self.energy.clamp(xp, parameters, x, y)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Moving:
        """Return the initial states at rest."""
        states = self.energy.feedforward(xp, clamped)[0] if initial is None else initial
        return at_rest(xp, states, stepper)

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Moving) -> Evaluation:
        """Return the evaluation at the states; its gradient is the simultaneous ∇_s E."""
        return evaluate_states(xp, self.energy, clamped, carry.variables)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Moving, stepper: Stepper, step: Any
    ) -> Moving:
        """Sweep once from the last free state to the first."""
        energy, layers = self.energy, self.energy.network.layers
        states, memory = list(carry.variables), list(carry.memory)
        errors, residues = list(point.errors), list(point.residues)
        predictions = list(point.predictions)
        for i in range(len(states) - 1, -1, -1):
            gradient = energy.state_gradient(xp, clamped, states, errors, residues, i)
            delta, memory[i] = stepper.increment(xp, gradient, memory[i], step)
            states[i] = states[i] + delta
            errors[i] = states[i] - predictions[i]
            for j in energy.network.readers[i]:
                # Only a layer that another state of this sweep still reads is needed again.
                if min(layers[j].reads) < i:
                    predictions[j], residues[j] = energy.predict(xp, clamped, states, j)
                    errors[j] = energy.error(xp, clamped, states, predictions[j], j)
        return Moving(tuple(states), tuple(memory))
