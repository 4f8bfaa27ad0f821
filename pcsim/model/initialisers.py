"""Initialisers: how a weight matrix (n_in, n_out) is drawn, always in float64.

Sources: orthogonal, Saxe et al. 2014; Kaiming, He et al. 2015; Xavier, Glorot & Bengio 2010.
"""

import math
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64
from numpy.random import Generator

from pcsim.typing import NDArray

Weight = Float64[NDArray[np.float64], "n_in n_out"]


@runtime_checkable
class Initialiser(Protocol):
    """Draws one weight matrix."""

    def draw(self, rng: Generator, n_in: int, n_out: int) -> Weight:
        """Return a matrix of shape (n_in, n_out)."""
        ...


@dataclass(frozen=True)
class Orthogonal:
    """A random (semi-)orthogonal matrix times `gain`, uniform in the Haar measure."""

    gain: float = 1.0

    def draw(self, rng: Generator, n_in: int, n_out: int) -> Weight:
        """Return the Q factor of a normal matrix, signs fixed so that its distribution is Haar's."""
        q, r = np.linalg.qr(rng.standard_normal((max(n_in, n_out), min(n_in, n_out))))
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return self.gain * (q if n_in >= n_out else q.T)


@dataclass(frozen=True)
class Normal:
    """Independent N(0, std²)."""

    std: float

    def draw(self, rng: Generator, n_in: int, n_out: int) -> Weight:
        """Return independent normal entries."""
        return self.std * rng.standard_normal((n_in, n_out))


@dataclass(frozen=True)
class Uniform:
    """Independent and uniform on [low, high)."""

    low: float
    high: float

    def draw(self, rng: Generator, n_in: int, n_out: int) -> Weight:
        """Return independent uniform entries."""
        return rng.uniform(self.low, self.high, (n_in, n_out))


@dataclass(frozen=True)
class Kaiming:
    """Variance gain²/n_in; the default gain √2 suits ReLU."""

    uniform: bool
    gain: float = math.sqrt(2.0)

    def draw(self, rng: Generator, n_in: int, n_out: int) -> Weight:
        """Return normal entries, or uniform ones of the same variance."""
        return _with_std(rng, n_in, n_out, self.gain / math.sqrt(n_in), self.uniform)


@dataclass(frozen=True)
class Xavier:
    """Variance 2 gain²/(n_in + n_out)."""

    uniform: bool
    gain: float = 1.0

    def draw(self, rng: Generator, n_in: int, n_out: int) -> Weight:
        """Return normal entries, or uniform ones of the same variance."""
        return _with_std(rng, n_in, n_out, self.gain * math.sqrt(2.0 / (n_in + n_out)), self.uniform)


def _with_std(rng: Generator, n_in: int, n_out: int, std: float, uniform: bool) -> Weight:
    if uniform:
        bound = math.sqrt(3.0) * std
        return rng.uniform(-bound, bound, (n_in, n_out))
    return std * rng.standard_normal((n_in, n_out))
