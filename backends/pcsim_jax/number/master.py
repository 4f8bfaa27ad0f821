"""Optimisers for parameters in bfloat16: they move a copy in float32, which is then rounded.

Most updates are smaller than half a unit in the last place of a bfloat16 weight, and would be lost one by one
(Micikevicius et al. 2018, section 3.1).
"""

from dataclasses import dataclass
from typing import Any

from pcsim.learning import Optimizer
from pcsim.learning.optimizers import Memory
from pcsim.model.arrays import Array, Namespace
from pcsim_jax.number.narrow import Narrow, rounded


@dataclass(frozen=True)
class MasterWeights:
    """Another optimiser on float32 copies of narrow parameters, which it remembers beside its own memory."""

    optimizer: Optimizer

    def begin(self, xp: Namespace, parameter: Narrow) -> Memory:
        """Return the copy and the optimiser's memory of it."""
        return parameter.values, self.optimizer.begin(xp, parameter.values)

    def update(
        self, xp: Namespace, parameter: Narrow, gradient: Narrow, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return what the optimiser makes of the copy, rounded, and both memories."""
        copy, known = memory
        moved, known = self.optimizer.update(xp, copy, gradient.values, known, rate, number)
        return rounded(moved), (moved, known)
