"""Passes over whole batches in kernels, shared by the cores, and the norm that is made of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import BatchNorm, Saved
from pcsim.typing import NDArray
from pcsim_numba.frames import ready
from pcsim_numba.kernels import passes
from pcsim_numba.threads import shared


@dataclass(frozen=True)
class MeasuredNorm(BatchNorm):
    """Batch normalisation as it is needed where a batch's statistics are taken."""

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return γ (s − mean)/√(variance + ε) + β."""
        slope = self._slope(xp, parameters)
        shift = parameters["beta"] - slope * parameters["mean"]
        given, out = ready(s), np.empty(s.shape, s.dtype)

        def some(first: int, last: int) -> None:
            passes.scaled(given.reshape(-1), slope, shift, first, last, out.reshape(-1))

        shared(some, s.size // self.channels, self.channels)
        return out, s

    def statistics(self, xp: Namespace, s: Array) -> tuple[Array, Array]:
        """Return mean and biased variance of every channel."""
        mean = _moments(s, np.zeros(self.channels, s.dtype))[0].astype(s.dtype)
        return mean, _moments(s, mean)[1].astype(s.dtype)


def _moments(s: Array, centre: Array) -> NDArray[Any]:
    """Return the means of s − centre and of its square for every channel."""
    s = ready(s)
    rows, n = s.size // len(centre), len(centre)
    sums = np.empty((-(-rows // passes.ROWS), 2, n), s.dtype)

    def some(first: int, last: int) -> None:
        passes.moments(s.reshape(-1), centre, first, last, sums.reshape(-1))

    shared(some, len(sums), passes.ROWS * n)
    return sums.sum(axis=0, dtype=np.float64) / rows


def stepped(errors: Array, pulled: Array, precision: float, rate: float) -> Array:
    """Return e − λ (γ e + g) of errors e and what is pulled back to them, g."""
    errors, pulled = ready(errors), ready(pulled)
    out = np.empty(errors.shape, errors.dtype)
    passes.stepped(errors.reshape(-1), pulled.reshape(-1), precision, float(rate), out.reshape(-1))
    return out
