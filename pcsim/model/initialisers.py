"""Initialisers: how a weight array is drawn, always in float64.

A kernel (size, size, channels, made) is drawn as a matrix with a row for every tap and channel. Sources: orthogonal,
Saxe et al. 2014; Kaiming, He et al. 2015; Xavier, Glorot & Bengio 2010.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64
from numpy.random import Generator

from pcsim.model.layers import Parameter
from pcsim.typing import NDArray

Weight = Float64[NDArray[np.float64], "rows columns"]
Fans = tuple[int, int]
"""How many numbers a unit is made of, and how many it makes."""


@runtime_checkable
class Initialiser(Protocol):
    """Draws one weight matrix."""

    @property
    def draws_biases(self) -> bool:
        """Whether biases are drawn too, as one row, and not zero."""
        ...

    def draw(self, rng: Generator, shape: tuple[int, int], fans: Fans) -> Weight:
        """Return a matrix."""
        ...


def drawn(initialiser: Initialiser, rng: Generator, parameter: Parameter) -> NDArray[np.float64]:
    """Return a parameter array as it starts: drawn, or a constant."""
    match parameter.start:
        case "drawn":
            rows = math.prod(parameter.shape[:-1])
            return initialiser.draw(rng, (rows, parameter.shape[-1]), parameter.fans).reshape(parameter.shape)
        case "bias" if initialiser.draws_biases:
            return initialiser.draw(rng, (1, parameter.shape[0]), parameter.fans)[0]
        case "ones":
            return np.ones(parameter.shape)
        case _:
            return np.zeros(parameter.shape)


class _WeightsAlone:
    draws_biases = False


@dataclass(frozen=True)
class Orthogonal(_WeightsAlone):
    """A random (semi-)orthogonal matrix times `gain`, uniform in the Haar measure."""

    gain: float = 1.0

    def draw(self, rng: Generator, shape: tuple[int, int], fans: Fans) -> Weight:
        """Return the Q factor of a normal matrix, signs fixed so that its distribution is Haar's."""
        q, r = np.linalg.qr(rng.standard_normal((max(shape), min(shape))))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return self.gain * (q if shape[0] >= shape[1] else q.T)


@dataclass(frozen=True)
class Normal(_WeightsAlone):
    """Independent N(0, std²)."""

    std: float

    def draw(self, rng: Generator, shape: tuple[int, int], fans: Fans) -> Weight:
        """Return independent normal entries."""
        return self.std * rng.standard_normal(shape)


@dataclass(frozen=True)
class Uniform(_WeightsAlone):
    """Independent and uniform on [low, high)."""

    low: float
    high: float

    def draw(self, rng: Generator, shape: tuple[int, int], fans: Fans) -> Weight:
        """Return independent uniform entries."""
        return rng.uniform(self.low, self.high, shape)


@dataclass(frozen=True)
class Kaiming(_WeightsAlone):
    """Variance gain²/fan_in; the default gain √2 suits ReLU."""

    uniform: bool
    gain: float = math.sqrt(2.0)

    def draw(self, rng: Generator, shape: tuple[int, int], fans: Fans) -> Weight:
        """Return normal entries, or uniform ones of the same variance."""
        return _with_std(rng, shape, self.gain / math.sqrt(fans[0]), self.uniform)


@dataclass(frozen=True)
class Xavier(_WeightsAlone):
    """Variance 2 gain²/(fan_in + fan_out)."""

    uniform: bool
    gain: float = 1.0

    def draw(self, rng: Generator, shape: tuple[int, int], fans: Fans) -> Weight:
        """Return normal entries, or uniform ones of the same variance."""
        return _with_std(rng, shape, self.gain * math.sqrt(2.0 / sum(fans)), self.uniform)


@dataclass(frozen=True)
class PyTorch:
    """Uniform within ±1/√fan_in, biases too: what PyTorch's layers start from."""

    draws_biases = True

    def draw(self, rng: Generator, shape: tuple[int, int], fans: Fans) -> Weight:
        """Return independent uniform entries."""
        bound = 1.0 / math.sqrt(fans[0])
        return rng.uniform(-bound, bound, shape)


def _with_std(rng: Generator, shape: tuple[int, int], std: float, uniform: bool) -> Weight:
    if uniform:
        bound = math.sqrt(3.0) * std
        return rng.uniform(-bound, bound, shape)
    return std * rng.standard_normal(shape)
