"""State optimization that begins with steps of error optimization: first no decay, then local steps.

Error optimization moves all layers from the first step on; state optimization needs no pass through the network. Both
have the same energy and critical points (EO paper, C.1), so that the second goes on where the first has led.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from pcsim.inference.base import Carry, Traits, increments
from pcsim.inference.increment import Increments, carried
from pcsim.inference.steppers import Memory, Stepper
from pcsim.inference.wrapping import Wrapping
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Evaluation, States

Chosen = TypeVar("Chosen")


@runtime_checkable
class BranchingNamespace(Namespace, Protocol):
    """A namespace that takes one of two ways."""

    def either(self, condition: Array, a: Callable[[], Chosen], b: Callable[[], Chosen], /) -> Chosen:
        """Return a() if the condition, a boolean scalar, holds, else b(); only one of them is computed."""
        ...


@dataclass(frozen=True)
class ErrorsFirst(Wrapping):
    """State optimization in either form whose first `steps` steps are those of error optimization, times `rate`.

    Such a step is ε_i ← ε_i − λ (γ_i ε_i + ∂ℓ/∂s_i), s_i = f_i(s_{i−1}) + ε_i from the input up; its step size is
    `rate` times the stepper's. The increment form carries ε over, the standard form has it as s_i − f_i(s_{i−1}). When
    states take over, the stepper begins anew: what it remembers, and the number of its step.
    """

    steps: int
    rate: float = 1.0

    @property
    def traits(self) -> Traits:
        """What state optimization is: states are what there is to see."""
        return self.inference.traits

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Carry, stepper: Stepper, step: Any
    ) -> Carry:
        """Move errors, or states once it is their turn."""

        def errors() -> Carry:
            return self._with_moved_errors(xp, clamped, point, carry, stepper, step)

        def states() -> Carry:
            return self.inference.advance(xp, clamped, point, carry, stepper, step - self.steps)

        return cast("BranchingNamespace", xp).either(step <= self.steps, errors, states)

    def _with_moved_errors(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Carry, stepper: Stepper, step: Any
    ) -> Carry:
        energy = self.energy
        downstream = energy.backpropagated(xp, clamped, point)
        gradient = tuple(energy.weighted_error(point.errors, i) + total for i, total in enumerate(downstream))
        deltas, memory = increments(xp, gradient, stepper, carry.memory, step)
        errors = tuple(e + self.rate * d for e, d in zip(point.errors[:-1], deltas, strict=True))
        states, predictions, saved = energy.feedforward(xp, clamped, errors)
        kept = self._remembered(xp, stepper, states, memory, step)
        if isinstance(carry, Increments):
            return carried(xp, energy, clamped, states, errors, predictions[-1], saved, kept)
        return carry._replace(variables=states, memory=kept)

    def _remembered(
        self, xp: Namespace, stepper: Stepper, states: States, memory: tuple[Memory, ...], step: Any
    ) -> tuple[Memory, ...]:
        """Return what the stepper remembers, afresh after the last step of errors."""

        def afresh() -> tuple[Memory, ...]:
            return tuple(stepper.begin(xp, state) for state in states)

        return cast("BranchingNamespace", xp).either(step >= self.steps, afresh, lambda: memory)
