"""Steppers: how far a variable moves, given the gradient of the energy. They know nothing of layers.

Each is a few textbook lines on one variable. They return the increment Δz, not z + Δz: the increment form of
inference must never recover a small difference from two nearly equal numbers. `memory` is what the method carries
from step to step.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Protocol, cast, runtime_checkable

from pcsim.model.arrays import Array, Namespace

Memory = Any
"""What a stepper remembers of one variable: a tuple of arrays shaped as the variable."""


@runtime_checkable
class Stepper(Protocol):
    """A discrete optimisation step on one variable."""

    def begin(self, xp: Namespace, variable: Array) -> Memory:
        """Return the memory before the first step."""
        ...

    def increment(self, xp: Namespace, gradient: Array, memory: Memory, step: Any) -> tuple[Array, Memory]:
        """Return Δz of step number `step` = 1, 2, … and the memory after it."""
        ...


@dataclass(frozen=True)
class PlainStepper(ABC):
    """The base of steppers of one's own: all that is needed is the increment; what is remembered begins as zeros.

    A subclass with further fields is a frozen dataclass, too. `memory` is a tuple of one array shaped as the variable.
    """

    step_size: Array

    def begin(self, xp: Namespace, variable: Array) -> Memory:
        """Return zeros."""
        return (xp.zeros_like(variable),)

    @abstractmethod
    def increment(self, xp: Namespace, gradient: Array, memory: Memory, step: Any) -> tuple[Array, Memory]:
        """Return Δz of step number `step` = 1, 2, … and the memory after it."""


@dataclass(frozen=True)
class GradientDescent:
    """Δz = −λ g."""

    step_size: Array
    """A number, or a scalar array where it changes without another compilation."""

    def begin(self, xp: Namespace, variable: Array) -> Memory:
        """Return nothing."""
        return ()

    def increment(self, xp: Namespace, gradient: Array, memory: Memory, step: Any) -> tuple[Array, Memory]:
        """Return −λ g."""
        return -self.step_size * gradient, memory


@dataclass(frozen=True)
class Momentum:
    """Heavy ball (Polyak 1964): v ← µ v + g, Δz = −λ v."""

    step_size: Array
    momentum: float = 0.9

    def begin(self, xp: Namespace, variable: Array) -> Memory:
        """Return zero velocity."""
        return (xp.zeros_like(variable),)

    def increment(self, xp: Namespace, gradient: Array, memory: Memory, step: Any) -> tuple[Array, Memory]:
        """Return −λ v and the new velocity."""
        velocity = self.momentum * memory[0]
        velocity += gradient
        return -self.step_size * velocity, (velocity,)


@dataclass(frozen=True)
class Adam:
    """Adam with bias correction (Kingma & Ba 2015, Algorithm 1)."""

    step_size: Array
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def begin(self, xp: Namespace, variable: Array) -> Memory:
        """Return zero moments."""
        return xp.zeros_like(variable), xp.zeros_like(variable)

    def increment(self, xp: Namespace, gradient: Array, memory: Memory, step: Any) -> tuple[Array, Memory]:
        """Return −λ m̂/(√v̂ + ε) and the new moments."""
        first = self.beta1 * memory[0]
        first += (1.0 - self.beta1) * gradient
        second = self.beta2 * memory[1]
        second += (1.0 - self.beta2) * gradient * gradient
        scale = self.step_size / (1.0 - self.beta1**step)
        spread = xp.sqrt(second / (1.0 - self.beta2**step)) + self.eps
        return -scale * first / spread, (first, second)


@dataclass(frozen=True)
class Decaying:
    """Another stepper with its step size divided by 1 + d (t − 1) in step t = 1, 2, … (Alonso et al. 2024: d = 1)."""

    stepper: Stepper
    decay: float

    def begin(self, xp: Namespace, variable: Array) -> Memory:
        """Return the memory of the other stepper."""
        return self.stepper.begin(xp, variable)

    def increment(self, xp: Namespace, gradient: Array, memory: Memory, step: Any) -> tuple[Array, Memory]:
        """Return Δz/(1 + d (t − 1)) and the memory of the other stepper."""
        delta, memory = self.stepper.increment(xp, gradient, memory, step)
        return delta / (1.0 + self.decay * (step - 1)), memory


def undecayed(stepper: Stepper) -> Stepper:
    """Return the stepper with the step size of its first step."""
    return stepper.stepper if isinstance(stepper, Decaying) else stepper


def step_size_of(stepper: Stepper) -> float:
    """Return the step size of a stepper, that of the first step where it decays."""
    return cast("Any", undecayed(stepper)).step_size


def with_step_size(stepper: Stepper, step_size: Array) -> Stepper:
    """Return the same stepper with another step size, that of the first step where it decays."""
    if isinstance(stepper, Decaying):
        return replace(stepper, stepper=with_step_size(stepper.stepper, step_size))
    return replace(cast("Any", stepper), step_size=step_size)
