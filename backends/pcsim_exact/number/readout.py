"""What is read off the balls at a step: energies with their bounds, accuracy, arrival, gradient norms."""

import math

import numpy as np
from flint import arb
from jaxtyping import Float64

from pcsim.typing import NDArray
from pcsim_exact.number.balls import Balls

FLOOR_BITS = 2200
"""An energy below 2^−2200 counts as known: its errors are below float64's range, and zero may be its true value."""


def accuracy(layerwise: Balls, working: int) -> int:
    """Return to how many bits, relatively, the least well known energy is known; at most the working precision."""
    return min(_accuracy(energy, working) for energy in layerwise.entries.flat)


def _accuracy(energy: arb, working: int) -> int:
    if not energy.is_finite():
        return 0
    if energy.abs_upper() < arb((1, -FLOOR_BITS)):
        return working
    return min(max(energy.rel_accuracy_bits(), 0), working)


def energy_bounds(
    layerwise: Balls, reported: Float64[NDArray[np.float64], " layers"]
) -> Float64[NDArray[np.float64], " layers"]:
    """Return the largest possible distance of each layer's batch mean energy to the float64 reported for it.

    `layerwise` (layers, batch); float64 rounded up, so that reported ± bound holds the true energy.
    """
    samples = layerwise.shape[1]
    means = layerwise.entries.sum(axis=1) / samples
    return np.array([_rounded_up(abs(m - r).abs_upper()) for m, r in zip(means, reported.tolist(), strict=True)])


def _rounded_up(exact: arb) -> float:
    nearest = float(exact)
    return nearest if nearest >= exact else math.nextafter(nearest, math.inf)
