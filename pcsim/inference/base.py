"""The contract between an inference method and the loop that runs it, and what most methods share."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from pcsim.arrays import Array, Namespace, Parameters
from pcsim.energy import Clamped, Energy, Evaluation, States
from pcsim.steppers import Memory, Stepper


@runtime_checkable
class Inference(Protocol):
    """What moves during inference: states or errors, and how one step is put together.

    A loop alternates `evaluate` (energies are read off there) and `advance`; all is pure, so that a backend may
    trace and compile it. `name` is the scenario's word for the method.
    """

    name: ClassVar[str]

    @property
    def energy(self) -> Energy: ...

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input, target and whatever else never changes fixed."""
        ...

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None) -> States:
        """Return the variables at the start: `initial`, or those of a feedforward pass if None."""
        ...

    def evaluate(self, xp: Namespace, clamped: Clamped, variables: States) -> Evaluation:
        """Return states, errors, predictions and residues that belong to the variables."""
        ...

    def advance(
        self,
        xp: Namespace,
        clamped: Clamped,
        point: Evaluation,
        variables: States,
        stepper: Stepper,
        memory: tuple[Memory, ...],
        step: Any,
    ) -> tuple[States, tuple[Memory, ...]]:
        """Return variables and stepper memory after step number `step` = 1, 2, …"""
        ...


@dataclass(frozen=True)
class Simultaneous:
    """A method that moves all its variables at once along the gradient."""

    energy: Energy

    def clamp(self, xp: Namespace, parameters: tuple[Parameters, ...], x: Array, y: Array) -> Clamped:
        """Hold input and target fixed."""
        return self.energy.clamp(xp, parameters, x, y)

    def advance(
        self,
        xp: Namespace,
        clamped: Clamped,
        point: Evaluation,
        variables: States,
        stepper: Stepper,
        memory: tuple[Memory, ...],
        step: Any,
    ) -> tuple[States, tuple[Memory, ...]]:
        """Move every variable along the gradient at `point`."""
        moved = [
            stepper.move(xp, variable, gradient, remembered, step)
            for variable, gradient, remembered in zip(variables, point.gradient, memory, strict=True)
        ]
        return tuple(variable for variable, _ in moved), tuple(remembered for _, remembered in moved)
