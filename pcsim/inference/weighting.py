"""Precisions that rise where a signal passes: relaxation of Qi et al. (2025) in state optimization."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pcsim.inference.base import Moving, Traits, increments
from pcsim.inference.state import StateOptimization
from pcsim.inference.steppers import Stepper, step_size_of
from pcsim.model.arrays import Namespace
from pcsim.model.energy import Clamped, Evaluation
from pcsim.model.network import Network


@dataclass(frozen=True)
class PrecisionWeighted(StateOptimization):
    """SO whose step t takes layer i's error w_i(t) times, more when the signal has just reached the layer.

    With d_i the least number of layers between layer i and the output, itself 0, the signal is in layer i after d_i
    steps, and step d_i + 1 is the first that hands it on. From there on

        w_i(t) = 1 + (p − 1) κ^{t − d_i − 1},    before it w_i(t) = 1,

    with p the `precision_spike`, without one 1/λ of the step size λ, so that the error is handed down undiminished, and
    κ the `precision_decay`: 0 is a spike of one step. Energies, the recorded gradient and that of the weights are SO's,
    without w.

    Source: arXiv 2506.23800, and what others say of its authors' program: precisions α away from the wavefront and 1
    where it is, which are ours for steps of α times its state learning rate and p = 1/α. Its decaying form was not to
    be found; the geometric one is ours. Where skips make ways of several lengths, the shortest counts; auxiliary
    neurons (`add = { back = 2, auxiliary = true }`) make them one.
    """

    precision_decay: float = 0.0
    precision_spike: float | None = None

    name = "precision-weighted"
    traits = Traits(weighs_errors=True)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Moving, stepper: Stepper, step: Any
    ) -> Moving:
        """Move every state along the gradient of the energy with the precisions of this step."""
        spike = 1.0 / step_size_of(stepper) if self.precision_spike is None else self.precision_spike
        weighted = tuple(
            self._weight(spike - 1.0, step - distance - 1) * error
            for error, distance in zip(point.errors, self._distances, strict=True)
        )
        gradient = self.energy.state_gradients(xp, clamped, point.states, weighted, point.saved)
        deltas, memory = increments(xp, gradient, stepper, carry.memory, step)
        return Moving(tuple(s + d for s, d in zip(carry.variables, deltas, strict=True)), memory)

    def _weight(self, rise: Any, age: Any) -> Any:
        """Return w so many steps after the spike, before it where that is negative."""
        has_passed = age >= 0
        return 1.0 + rise * has_passed * self.precision_decay ** (age * has_passed)

    @cached_property
    def _distances(self) -> tuple[int, ...]:
        return distances(self.energy.network)


def distances(network: Network) -> tuple[int, ...]:
    """Return for every layer the least number of layers that a signal from the output passes on its way there."""
    found = [0] * len(network.layers)
    for i, readers in reversed(list(enumerate(network.readers))):
        found[i] = 1 + min(found[j] for j in readers)
    return tuple(found)
