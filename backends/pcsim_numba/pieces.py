"""Optimisers of weights that go through long arrays in pieces, on all cores: what lies between stays in the cache."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.inference.steppers import Memory
from pcsim.learning.optimizers import SGD, Adam, AdamW, Momentum, Optimizer
from pcsim.model.arrays import Array, Namespace
from pcsim_numba.threads import apart

ELEMENTWISE = (SGD, Momentum, Adam, AdamW)
"""By class: what is derived from one may look at the whole array."""
PIECE = 2**15
"""Numbers of a piece."""


@dataclass(frozen=True)
class InPieces:
    """Another optimiser, which moves every number of an array by itself."""

    optimizer: Optimizer

    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return the memory before the first update."""
        return self.optimizer.begin(xp, parameter)

    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return what the other optimiser makes of each piece, in one."""
        if parameter.size <= PIECE:
            return self.optimizer.update(xp, parameter, gradient, memory, rate, number)
        before = [array.reshape(-1) for array in (parameter, gradient, *memory)]
        after = [np.empty(parameter.shape, parameter.dtype) for _ in (parameter, *memory)]

        def move(rows: slice) -> None:
            own, slope, *kept = (array[rows] for array in before)
            moved, remembered = self.optimizer.update(xp, own, slope, tuple(kept), rate, number)
            for into, value in zip(after, (moved, *remembered), strict=True):
                into.reshape(-1)[rows] = value

        apart(move, [slice(first, first + PIECE) for first in range(0, parameter.size, PIECE)])
        return after[0], tuple(after[1:])


def in_pieces(optimizer: Optimizer) -> Optimizer:
    """Return the same optimiser, in pieces where it allows that."""
    return InPieces(optimizer) if type(optimizer) in ELEMENTWISE else optimizer
