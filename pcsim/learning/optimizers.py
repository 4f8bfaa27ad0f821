"""Optimisers: how a parameter array moves, given its gradient. They know nothing of layers or schedules.

Each is its textbook lines on one array W with gradient g, at update number k = 1, 2, … with learning rate α. `number`
is a Python int or a weakly typed traced scalar, so that what is computed of it never widens the type of the run.

A `weight_decay` w is coupled (g + w W, the gradient of w/2 ‖W‖²) except in `AdamW`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Shaped

from pcsim.inference import steppers
from pcsim.inference.steppers import Memory, Stepper
from pcsim.model.arrays import Array, Namespace


@runtime_checkable
class Optimizer(Protocol):
    """An update rule for one parameter array."""

    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return the memory before the first update."""
        ...

    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return the new parameter and memory after update `number` = 1, 2, … with learning rate `rate`."""
        ...


class PlainOptimizer(ABC):
    """The base of optimisers of one's own: all that is needed is the update; what is remembered begins as zeros.

    A subclass with fields, whose names are words of `[learning]`, is a frozen dataclass. `memory` is a tuple of one
    array shaped as the parameter.
    """

    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return zeros."""
        return (xp.zeros_like(parameter),)

    @abstractmethod
    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return the new parameter and memory after update `number` = 1, 2, … with learning rate `rate`."""


class _Descent(ABC):
    """The step Δ of inference on the gradient of loss and weight decay, its step size the learning rate: W ← W + Δ."""

    weight_decay: float

    @abstractmethod
    def stepper(self, rate: Any) -> Stepper:
        """Return what makes the step."""

    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return the stepper's memory."""
        return self.stepper(1.0).begin(xp, parameter)

    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return W + Δ and the stepper's new memory."""
        total = _with_decay(gradient, parameter, self.weight_decay)
        step, memory = self.stepper(rate).increment(xp, total, memory, number)
        return parameter + step, memory


@dataclass(frozen=True)
class SGD(_Descent):
    """W ← W − α g (Robbins & Monro 1951)."""

    weight_decay: float = 0.0

    def stepper(self, rate: Any) -> Stepper:
        """Return gradient descent."""
        return steppers.GradientDescent(rate)


@dataclass(frozen=True)
class Momentum(_Descent):
    """Heavy ball (Polyak 1964): v ← µ v + g, W ← W − α v."""

    momentum: float = 0.9
    weight_decay: float = 0.0

    def stepper(self, rate: Any) -> Stepper:
        """Return the heavy ball."""
        return steppers.Momentum(rate, self.momentum)


@dataclass(frozen=True)
class Adam(_Descent):
    """Adam with bias correction (Kingma & Ba 2015, Algorithm 1)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def stepper(self, rate: Any) -> Stepper:
        """Return Adam."""
        return steppers.Adam(rate, self.beta1, self.beta2, self.eps)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: also W ← W − α w W (Loshchilov & Hutter 2019, Algorithm 2, η α w as α w)."""

    weight_decay: float = 0.01

    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return W − α w W + Δ and the stepper's new memory."""
        decayed = parameter - (rate * self.weight_decay) * parameter
        step, memory = self.stepper(rate).increment(xp, gradient, memory, number)
        return decayed + step, memory


@dataclass(frozen=True)
class MQ:
    """Matrix-wise adaptive rate: v ← a v + (1 − a) mean|g|, W ← W − (α/(v + r) + α_min) g (Alonso et al. 2023).

    One scalar v an array, v_0 = α, a = min(k/(k + 1), ρ). The paper's eqs. 29–30 are misprinted; this is what its
    authors' program does (model: end of section 2).
    """

    rho: float = 0.9999
    smallest: float = 1e-6
    smallest_rate: float = 1e-3
    weight_decay: float = 0.0

    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return a placeholder for v, shaped (1,): v_0 is the rate of the first update, which is not known yet."""
        return (xp.sum(xp.zeros_like(parameter).reshape(-1), axis=0, keepdims=True),)

    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return W − (α/(v + r) + α_min) g and the new v."""
        gradient = _with_decay(gradient, parameter, self.weight_decay)
        kept = _smaller(number / (number + 1.0), self.rho)
        before = xp.where(number == 1, rate, memory[0])
        spread = kept * before + (1.0 - kept) * _mean_size(xp, gradient)
        return parameter - (rate / (spread + self.smallest) + self.smallest_rate) * gradient, (spread,)


def _with_decay(gradient: Array, parameter: Array, weight_decay: float) -> Array:
    return gradient if weight_decay == 0.0 else gradient + weight_decay * parameter


def _mean_size(xp: Namespace, x: Array) -> Shaped[Array, "1"]:
    return xp.sum(xp.abs(x).reshape(-1), axis=0, keepdims=True) / math.prod(x.shape)


def _smaller(a: Any, b: float) -> Any:
    """Return the smaller of a Python or traced number and a Python one, as weakly typed as they are."""
    # min() does not trace, and numpy's functions return a float64 that would widen float32 arrays.
    return a * (a < b) + b * (a >= b)
