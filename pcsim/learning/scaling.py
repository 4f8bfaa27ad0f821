"""Scale-free learning: every parameter array's gradient is brought into range before an optimiser sees it."""

from dataclasses import dataclass
from typing import Any

from jaxtyping import Shaped

from pcsim.learning.optimizers import Memory, Optimizer
from pcsim.model.arrays import Array, Namespace


@dataclass(frozen=True)
class PerLayer:
    """An optimiser on g / max|g|, so that layers whose signal has decayed learn as fast as others (model: section 3).

    Squares then cannot underflow however small the gradient, down to the end of the type's normal range. A gradient
    of zeros stays zero. A coupled weight decay of the optimiser is added to the scaled gradient.
    """

    optimizer: Optimizer

    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return the optimiser's memory."""
        return self.optimizer.begin(xp, parameter)

    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return what the optimiser makes of g / max|g|."""
        scaled = gradient / nonzero(xp, largest_size(xp, gradient))
        return self.optimizer.update(xp, parameter, scaled, memory, rate, number)


def largest_size(xp: Namespace, x: Array) -> Shaped[Array, "1"]:
    """Return max|x| over all entries."""
    return xp.max(xp.abs(x).reshape(-1), axis=0, keepdims=True)


def nonzero(xp: Namespace, size: Shaped[Array, "1"]) -> Shaped[Array, "1"]:
    """Return a size to divide by: itself, NaN where it is NaN, or 1 where it is 0."""
    return xp.where(size > 0.0, size, size + 1.0)
