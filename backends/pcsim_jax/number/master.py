"""Optimisers for parameters in bfloat16: they move a copy in float32, which is then rounded.

Most updates are smaller than half a unit in the last place of a bfloat16 weight, and would be lost one by one
(Micikevicius et al. 2018, section 3.1).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from pcsim.learning import Learner, Optimizer
from pcsim.learning.optimizers import LayerOptimizer, Memory, update_layer
from pcsim.model.arrays import Namespace, Parameters
from pcsim_jax.number.narrow import Narrow, rounded


@dataclass(frozen=True)
class MasterWeights(LayerOptimizer):
    """Another optimiser on float32 copies of narrow parameters, which it remembers beside its own memory."""

    optimizer: Optimizer

    def begin(self, xp: Namespace, parameter: Narrow) -> Memory:
        """Return the copy and the optimiser's memory of it."""
        return parameter.values, self.optimizer.begin(xp, parameter.values)

    def update_layer(
        self,
        xp: Namespace,
        parameters: Parameters,
        gradient: Parameters,
        memory: Mapping[str, Memory],
        rate: Any,
        number: Any,
    ) -> tuple[Parameters, dict[str, Memory]]:
        """Return what the optimiser makes of the copies, rounded, and both memories."""
        copies, known = ({name: memory[name][i] for name in parameters} for i in (0, 1))
        slopes = {name: slope.values for name, slope in gradient.items()}
        moved, known = update_layer(xp, self.optimizer, copies, slopes, known, rate, number)
        rounded_off = {name: rounded(array) for name, array in moved.items()}
        return rounded_off, {name: (array, known[name]) for name, array in moved.items()}


def with_master_weights(learner: Learner) -> Learner:
    """Return a learner whose optimisers move such copies."""
    rule = learner.amortiser
    rule = rule and replace(rule, optimizer=MasterWeights(rule.optimizer))
    return replace(learner, optimizer=MasterWeights(learner.optimizer), amortiser=rule)
