"""Optimisers: how a parameter array moves, given its gradient. They know nothing of networks or schedules.

Each is its textbook lines on one array W with gradient g, at update number k = 1, 2, … with learning rate α. `number`
is a Python int or a weakly typed traced scalar, so that what is computed of it never widens the type of the run.

A `weight_decay` w is coupled (g + w W, the gradient of w/2 ‖W‖²) except in `AdamW`.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Shaped

from pcsim.inference import steppers
from pcsim.inference.steppers import Memory, Stepper
from pcsim.model.arrays import Array, Namespace, Parameters


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


class LayerOptimizer(ABC):
    """The base of optimisers that look at all arrays of a layer together."""

    @abstractmethod
    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return what is remembered with one array before the first update."""

    @abstractmethod
    def update_layer(
        self,
        xp: Namespace,
        parameters: Parameters,
        gradient: Parameters,
        memory: Mapping[str, Memory],
        rate: Any,
        number: Any,
    ) -> tuple[Parameters, dict[str, Memory]]:
        """Return a layer's new parameters and memory after update `number`, all by the names of its arrays."""

    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return what becomes of an array that is a layer of its own."""
        moved, known = self.update_layer(xp, {"": parameter}, {"": gradient}, {"": memory}, rate, number)
        return moved[""], known[""]


def update_layer(
    xp: Namespace,
    optimizer: Optimizer,
    parameters: Parameters,
    gradient: Parameters,
    memory: Mapping[str, Memory],
    rate: Any,
    number: Any,
) -> tuple[Parameters, dict[str, Memory]]:
    """Return what any optimiser makes of the arrays of a layer, by their names; all have a gradient."""
    if isinstance(optimizer, LayerOptimizer):
        return optimizer.update_layer(xp, parameters, gradient, memory, rate, number)
    pairs = {
        name: optimizer.update(xp, array, gradient[name], memory[name], rate, number)
        for name, array in parameters.items()
    }
    return {name: pair[0] for name, pair in pairs.items()}, {name: pair[1] for name, pair in pairs.items()}


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
class MQ(LayerOptimizer):
    """One adaptive rate a layer: W ← W − (α/(v + r) + α_min) g, then v ← a v + (1 − a) mean|g| (Alonso et al. 2024).

    Weights and biases of a layer share v, the mean is over all of them; v = α at first, a = min(k/(k + 1), ρ). The
    paper's eqs. 7 and 8 (29, 30) are read with its authors' program, which renews v after it has been used.
    """

    rho: float = 0.9999
    r: float = 1e-6
    lr_min: float = 1e-3
    weight_decay: float = 0.0

    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return a placeholder for v, shaped (1,): v at first is the rate of the first update, not known yet."""
        return (xp.sum(xp.zeros_like(parameter).reshape(-1), axis=0, keepdims=True),)

    def update_layer(
        self,
        xp: Namespace,
        parameters: Parameters,
        gradient: Parameters,
        memory: Mapping[str, Memory],
        rate: Any,
        number: Any,
    ) -> tuple[Parameters, dict[str, Memory]]:
        """Return W − (α/(v + r) + α_min) g and the new v, which every array of the layer keeps."""
        if not parameters:
            return {}, {}
        slopes = {name: _with_decay(gradient[name], array, self.weight_decay) for name, array in parameters.items()}
        (remembered,) = next(iter(memory.values()))
        spread = xp.where(number == 1, rate, remembered)
        step = rate / (spread + self.r) + self.lr_min
        kept = _smaller(number / (number + 1.0), self.rho)
        after = kept * spread + (1.0 - kept) * _mean_size(xp, list(slopes.values()))
        return {name: array - step * slopes[name] for name, array in parameters.items()}, dict.fromkeys(
            parameters, (after,)
        )


def _with_decay(gradient: Array, parameter: Array, weight_decay: float) -> Array:
    return gradient if weight_decay == 0.0 else gradient + weight_decay * parameter


def _mean_size(xp: Namespace, arrays: list[Array]) -> Shaped[Array, "1"]:
    """Return the mean of |x| over the entries of all arrays."""
    total = reduce(add, [xp.sum(xp.abs(x).reshape(-1), axis=0, keepdims=True) for x in arrays])
    return total / sum(math.prod(x.shape) for x in arrays)


def _smaller(a: Any, b: float) -> Any:
    """Return the smaller of a Python or traced number and a Python one, as weakly typed as they are."""
    # min() does not trace, and numpy's functions return a float64 that would widen float32 arrays.
    return a * (a < b) + b * (a >= b)
