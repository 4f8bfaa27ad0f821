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


@dataclass(frozen=True)
class Clipped:
    """Another stepper on gradients that are shortened, in each sample and layer, to the norm `largest` if longer.

    g ← g min(1, c/‖g‖) with the 2-norm over the units of one variable in one sample. Squares are those of g / max|g|:
    they neither underflow nor overflow. A gradient that is not finite is never made finite.
    """

    stepper: Stepper
    largest: float

    def begin(self, xp: Namespace, variable: Array) -> Memory:
        """Return the memory of the other stepper."""
        return self.stepper.begin(xp, variable)

    def increment(self, xp: Namespace, gradient: Array, memory: Memory, step: Any) -> tuple[Array, Memory]:
        """Return the other stepper's Δz for the shortened gradient, and its memory."""
        rows = gradient.reshape(gradient.shape[0], -1)
        size = xp.max(xp.abs(rows), axis=1, keepdims=True)
        entries = rows / xp.where(size > 0.0, size, size + 1.0)
        # 1 or more but where all entries are 0: the largest one is 1.
        length = xp.maximum(xp.sqrt(xp.sum(entries * entries, axis=1, keepdims=True)), 1.0)
        shortened = xp.where(size > self.largest / length, entries * (self.largest / length), rows)
        return self.stepper.increment(xp, shortened.reshape(*gradient.shape), memory, step)


def innermost(stepper: Stepper) -> Stepper:
    """Return the stepper without what decays its step size or clips its gradients."""
    return innermost(stepper.stepper) if isinstance(stepper, Decaying | Clipped) else stepper


def step_size_of(stepper: Stepper) -> Array:
    """Return the step size of a stepper, that of the first step where it decays; compiled training traces it."""
    return cast("Any", innermost(stepper)).step_size


def with_step_size(stepper: Stepper, step_size: Array) -> Stepper:
    """Return the same stepper with another step size, that of the first step where it decays."""
    if isinstance(stepper, Decaying | Clipped):
        return replace(stepper, stepper=with_step_size(stepper.stepper, step_size))
    return replace(cast("Any", stepper), step_size=step_size)
