"""The contract between an inference method and the loop that runs it, and what most methods share."""

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

from pcsim.inference.steppers import Memory, Stepper
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Energy, Evaluation, States

Carry = Any
"""What a method hands from step to step: nested tuples of arrays, opaque to the loop."""


class Moving(NamedTuple):
    """The carry of most methods: the moving variables and what the stepper remembers of each."""

    variables: States
    memory: tuple[Memory, ...]


@runtime_checkable
class Inference(Protocol):
    """What moves during inference: states or errors, and how one step is put together.

    A loop alternates `evaluate` (energies are read off there) and `advance`; all is pure, so that a backend may trace
    and compile it. `name` is the scenario's word for the method.
    """

    @property
    def name(self) -> str: ...
    @property
    def energy(self) -> Energy: ...

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input, target and whatever else never changes fixed."""
        ...

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Carry:
        """Return the carry before the first step, from `initial` variables or a feedforward pass if None."""
        ...

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Carry) -> Evaluation:
        """Return states, errors, output and what is saved at this point."""
        ...

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Carry, stepper: Stepper, step: Any
    ) -> Carry:
        """Return the carry after step number `step` = 1, 2, …; `point` is the evaluation before it."""
        ...


def at_rest(xp: Namespace, variables: States, stepper: Stepper) -> Moving:
    """Return variables with fresh stepper memory."""
    return Moving(variables, tuple(stepper.begin(xp, variable) for variable in variables))


def increments(
    xp: Namespace, gradient: States, stepper: Stepper, memory: tuple[Memory, ...], step: Any
) -> tuple[States, tuple[Memory, ...]]:
    """Return the increment of every variable and the memory after it."""
    pairs = [stepper.increment(xp, g, m, step) for g, m in zip(gradient, memory, strict=True)]
    return tuple(delta for delta, _ in pairs), tuple(remembered for _, remembered in pairs)


@dataclass(frozen=True)
class OnEnergy:
    """A method on an energy, with nothing held fixed but input and target."""

    energy: Energy

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input and target fixed."""
        return self.energy.clamp(xp, parameters, x, y)


@dataclass(frozen=True)
class Simultaneous(OnEnergy):
    """A method that moves all its variables at once along the gradient."""

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Moving, stepper: Stepper, step: Any
    ) -> Moving:
        """Move every variable along the gradient at `point`."""
        deltas, memory = increments(xp, point.gradient, stepper, carry.memory, step)
        return Moving(tuple(z + d for z, d in zip(carry.variables, deltas, strict=True)), memory)
