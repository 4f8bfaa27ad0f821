"""How an amortiser learns: beside the network, by an optimiser of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pcsim.learning.optimizers import Optimizer, update_layer
from pcsim.model.arrays import Namespace, Parameters
from pcsim.model.network import AMORTISER


@dataclass(frozen=True)
class AmortiserRule:
    """An optimiser with a learning rate, the same in all updates and layers."""

    optimizer: Optimizer
    rate: float

    def follow(
        self,
        xp: Namespace,
        parameters: Sequence[Parameters],
        gradient: Sequence[Parameters],
        memory: Sequence[dict[str, Any]],
        number: Any,
    ) -> tuple[tuple[Parameters, ...], tuple[Parameters, ...], tuple[dict[str, Any], ...]]:
        """Return parameters of which the amortiser's have moved, the rest of the gradient, and the new memory."""
        moved, rest, remembered = list[Parameters](), list[Parameters](), list[dict[str, Any]]()
        for own, slopes, known in zip(parameters, gradient, memory, strict=True):
            mine = {name: slope for name, slope in slopes.items() if name.startswith(AMORTISER)}
            learned, before = ({name: each[name] for name in mine} for each in (own, known))
            after, kept = update_layer(xp, self.optimizer, learned, mine, before, self.rate, number)
            moved.append(own | after)
            rest.append({name: slope for name, slope in slopes.items() if name not in mine})
            remembered.append(known | kept)
        return tuple(moved), tuple(rest), tuple(remembered)
