"""State optimization in the increment form: the errors themselves are carried (model: section 3).

The standard form stores s_i and forms ε_i = s_i − f_i(s_{i−1}): a signal below one unit in the last place of s_i is
rounded away. Here each step moves ε by Δs_i − Δf_i, and Δf is evaluated without cancellation. It is the same map.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from pcsim.inference.base import OnEnergy, Traits, increments
from pcsim.inference.state import state_gradient
from pcsim.inference.steppers import Memory, Stepper
from pcsim.model.activations import accumulate
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Energy, Evaluation, States, inputs
from pcsim.model.layers import Anchor, Saved


class Increments(NamedTuple):
    """What is carried: states, free errors, output ŷ, what is saved and anchor of every layer above the first, memory.

    `output_low` is what rounding has so far kept out of the output. The states are there for the record, the decay term
    and the weight gradient: the errors move by what the anchors carry.
    """

    states: States
    errors: States
    output: Array
    output_low: Array
    points: tuple[tuple[Saved, Anchor], ...]
    memory: tuple[Memory, ...]


def carried(
    xp: Namespace,
    energy: Energy,
    clamped: Clamped,
    states: States,
    errors: States,
    output: Array,
    saved: tuple[Saved, ...],
    memory: tuple[Memory, ...],
) -> Increments:
    """Return the carry at given states and errors, where the predictions have just been computed."""
    anchors = (
        layer.anchor(xp, clamped.parameters[j], inputs(clamped, states, layer))
        for j, layer in enumerate(energy.network.layers[1:], 1)
    )
    points = tuple(zip(saved[1:], anchors, strict=True))
    return Increments(states, errors, output, xp.zeros_like(output), points, memory)


@dataclass(frozen=True)
class IncrementStateOptimization(OnEnergy):
    """SO, all layers at once, in the increment form."""

    name = "state"
    traits = Traits(carries_errors=True)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Increments:
        """Return the initial states, their errors (exact zeros after a feedforward pass) and an anchor a layer."""
        states = self.energy.first_states(xp, clamped) if initial is None else initial
        predictions, saved = self.energy.predict_all(xp, clamped, states)
        errors = tuple(s - p for s, p in zip(states, predictions[:-1], strict=True))
        memory = tuple(stepper.begin(xp, s) for s in states)
        return carried(xp, self.energy, clamped, states, errors, predictions[-1], saved, memory)

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Increments) -> Evaluation:
        """Return the evaluation that the carried quantities make up."""
        output_error = self.energy.error(xp, clamped, carry.states, carry.output, len(carry.states))
        saved = (clamped.known[0][1], *(own for own, _ in carry.points))
        gradient = partial(state_gradient, xp, self.energy, clamped)
        return Evaluation(carry.states, (*carry.errors, output_error), carry.output, saved, gradient)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Increments, stepper: Stepper, step: Any
    ) -> Increments:
        """Move all states at once, and the errors by Δs_i − Δf_i."""
        deltas, memory = increments(xp, point.gradient, stepper, carry.memory, step)
        sweep = Sweep(xp, self.energy, clamped, point, carry)
        sweep.move(dict(enumerate(deltas)))
        return sweep.carry(memory)


@dataclass(frozen=True)
class IncrementSequentialStateOptimization(IncrementStateOptimization):
    """SO in sweeps from the output down, in the increment form."""

    name = "sequential"
    traits = Traits(carries_errors=True, is_sequential=True)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Increments, stepper: Stepper, step: Any
    ) -> Increments:
        """Sweep once from the last free state to the first, errors kept up to date after each."""
        sweep, memory = Sweep(xp, self.energy, clamped, point, carry), list(carry.memory)
        for i in range(len(carry.states) - 1, -1, -1):
            gradient = self.energy.state_gradient(xp, clamped, sweep.states, sweep.errors, sweep.saved, i)
            delta, memory[i] = stepper.increment(xp, gradient, memory[i], step)
            sweep.move({i: delta})
        return sweep.carry(tuple(memory))


class Sweep:
    """The carried quantities while states move, one after another or all at once."""

    def __init__(self, xp: Namespace, energy: Energy, clamped: Clamped, point: Evaluation, carry: Increments) -> None:
        self._xp, self._energy, self._clamped = xp, energy, clamped
        self.states, self.errors, self.output = list(carry.states), list(point.errors), carry.output
        self._output_low = carry.output_low
        self._points = [(clamped.known[0][1], None), *carry.points]

    @property
    def saved(self) -> list[Saved]:
        """What is saved of every layer."""
        return [saved for saved, _ in self._points]

    def move(self, changes: dict[int, Array]) -> None:
        """Move some states, and with them the predictions of the layers that read them."""
        for i, delta in changes.items():
            self.states[i] = self.states[i] + delta
            self.errors[i] = self.errors[i] + delta
        readers = self._energy.network.readers
        for j in sorted({j for i in changes for j in readers[i]}):
            layer, parameters = self._energy.network.layers[j], self._clamped.parameters[j]
            change, self._points[j] = layer.increment(self._xp, parameters, self._points[j], self.states, changes)
            if j == len(self.states):
                self.output, self._output_low = accumulate(self.output, self._output_low, change)
                self.errors[j] = self._energy.error(self._xp, self._clamped, self.states, self.output, j)
            else:
                self.errors[j] = self.errors[j] - change

    def carry(self, memory: tuple[Memory, ...]) -> Increments:
        """Return what goes on to the next step."""
        return Increments(
            tuple(self.states), tuple(self.errors[:-1]), self.output, self._output_low, tuple(self._points[1:]), memory
        )
