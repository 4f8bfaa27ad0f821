"""Weights of spectral norm about one: each matrix is divided by what random ones of its variance have (Ha et al.)."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

from pcsim.learning.optimizers import LayerOptimizer, Memory, Optimizer, update_layer
from pcsim.learning.scaling import nonzero
from pcsim.model.arrays import Array, Namespace, Parameters


@dataclass(frozen=True)
class Normalised(LayerOptimizer):
    """An optimiser after whose updates W ← W / ((√m + √n) σ), σ² the variance of the entries of W (Ha et al. 2026).

    W has m columns, the units or channels of its layer, and n rows, all that one of them reads. (√m + √n) σ is the
    spectral norm of a large matrix of independent entries, so that W's becomes about 1. Biases, gains and shifts,
    arrays of one dimension, stay what the optimiser made of them, and so does an array of equal entries.
    """

    optimizer: Optimizer

    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return the optimiser's memory."""
        return self.optimizer.begin(xp, parameter)

    def update_layer(
        self,
        xp: Namespace,
        parameters: Parameters,
        gradient: Parameters,
        memory: Mapping[str, Memory],
        rate: Any,
        number: Any,
    ) -> tuple[Parameters, dict[str, Memory]]:
        """Return what the optimiser makes of the arrays, those of two dimensions and more normalised."""
        moved, remembered = update_layer(xp, self.optimizer, parameters, gradient, memory, rate, number)
        return {
            name: array if len(array.shape) < 2 else normalised(xp, array) for name, array in moved.items()
        }, remembered


def normalised(xp: Namespace, weights: Array) -> Array:
    """Return weights (…, n_out) over (√m + √n) σ, in their own type."""
    *rows, columns = weights.shape
    count = prod(rows) * columns
    flat = weights.reshape(1, count)
    centred = flat - xp.sum(flat, axis=1, keepdims=True) / count
    spread = xp.sqrt(xp.sum_of_squares(centred) / count)
    size = nonzero(xp, (sqrt(columns) + sqrt(prod(rows))) * spread)
    return weights / size.astype(weights.dtype)
