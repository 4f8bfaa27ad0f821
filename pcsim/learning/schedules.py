"""Schedules: the learning rate of every update, as floats on the host."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol, runtime_checkable


@runtime_checkable
class Schedule(Protocol):
    """A learning rate that depends on how far training has come."""

    depends_on_length: ClassVar[bool]
    """Whether a longer training run has other rates from the start."""

    def rate(self, update: int, total: int) -> float:
        """Return the learning rate of update number `update` = 1, …, `total`."""
        ...


@dataclass(frozen=True)
class Constant:
    """The same rate for every update."""

    learning_rate: float
    depends_on_length: ClassVar[bool] = False

    def rate(self, update: int, total: int) -> float:
        """Return the rate."""
        return self.learning_rate


@dataclass(frozen=True)
class WarmupCosine:
    """Linear from w to `peak` w over the first `warmup` share of updates, then cosine to `final` w (EO paper, D.2).

    The first update has exactly w, the last exactly `final` w.
    """

    learning_rate: float
    warmup: float = 0.1
    peak: float = 1.1
    final: float = 0.1
    depends_on_length: ClassVar[bool] = True

    def rate(self, update: int, total: int) -> float:
        """Return the rate, after the share (update − 1)/(total − 1) of the way."""
        way = (update - 1) / max(total - 1, 1)
        if way < self.warmup:
            return self.learning_rate * (1.0 + (self.peak - 1.0) * way / self.warmup)
        if self.warmup >= 1.0:
            return self.learning_rate * self.peak
        down = 0.5 * (1.0 + math.cos(math.pi * (way - self.warmup) / (1.0 - self.warmup)))
        return self.learning_rate * (self.final + (self.peak - self.final) * down)


@dataclass(frozen=True)
class StepDecay:
    """A rate that is multiplied by `factor` after `every` updates, again and again."""

    learning_rate: float
    every: int
    factor: float
    depends_on_length: ClassVar[bool] = False

    def rate(self, update: int, total: int) -> float:
        """Return the rate after (update − 1) // every decays."""
        return self.learning_rate * self.factor ** ((update - 1) // self.every)
