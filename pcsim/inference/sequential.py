"""Sequential state optimization: layer by layer from the output down (Alonso et al. 2024)."""

from dataclasses import dataclass
from typing import Any

from pcsim.inference.base import Moving, Traits
from pcsim.inference.state import StateOptimization
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Namespace
from pcsim.model.energy import Clamped, Evaluation


@dataclass(frozen=True)
class SequentialStateOptimization(StateOptimization):
    """SO in sweeps: each state moves with errors recomputed from the newest states above it."""

    name = "sequential"
    traits = Traits(is_sequential=True)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Moving, stepper: Stepper, step: Any
    ) -> Moving:
        """Sweep once from the last free state to the first."""
        energy, layers = self.energy, self.energy.network.layers
        states, memory = list(carry.variables), list(carry.memory)
        errors, saved = list(point.errors), list(point.saved)
        predictions = list(point.predictions)
        for i in range(len(states) - 1, -1, -1):
            gradient = energy.state_gradient(xp, clamped, states, errors, saved, i)
            delta, memory[i] = stepper.increment(xp, gradient, memory[i], step)
            states[i] = states[i] + delta
            errors[i] = states[i] - predictions[i]
            for j in energy.network.readers[i]:
                # Only a layer that another state of this sweep still reads is needed again.
                if min(layers[j].reads) < i:
                    predictions[j], saved[j] = energy.predict(xp, clamped, states, j)
                    errors[j] = energy.error(xp, clamped, states, predictions[j], j)
        return Moving(tuple(states), tuple(memory))
