"""Scale-free learning: every parameter array's gradient is brought into range before an optimiser sees it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jaxtyping import Shaped

from pcsim.learning.optimizers import LayerOptimizer, Memory, Optimizer, update_layer
from pcsim.model.arrays import Array, Namespace, Parameters


@dataclass(frozen=True)
class PerLayer(LayerOptimizer):
    """An optimiser on g / max|g|, so that layers whose signal has decayed learn as fast as others (model: section 3).

    Squares then cannot underflow however small the gradient, down to the end of the type's normal range. A gradient
    of zeros stays zero. A coupled weight decay of the optimiser is added to the scaled gradient.
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
        """Return what the optimiser makes of g / max|g| of each array."""
        scaled = {name: slope / nonzero(xp, largest_size(xp, slope)) for name, slope in gradient.items()}
        return update_layer(xp, self.optimizer, parameters, scaled, memory, rate, number)


def largest_size(xp: Namespace, x: Array) -> Shaped[Array, "1"]:
    """Return max|x| over all entries."""
    return xp.max(xp.abs(x).reshape(-1), axis=0, keepdims=True)


def nonzero(xp: Namespace, size: Shaped[Array, "1"]) -> Shaped[Array, "1"]:
    """Return a size to divide by: itself, NaN where it is NaN, or 1 where it is 0."""
    return xp.where(size > 0.0, size, size + 1.0)
