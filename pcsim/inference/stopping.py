"""Stop rules: when inference has gone far enough, judged by what a step leaves behind."""

from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float64, Shaped

from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Evaluation


@dataclass(frozen=True)
class StopRule:
    """When to stop before the last step: as soon as everything that is given holds.

    `grad_norm`: in every sample the norm of the gradient over all moving variables is at most this.
    `relative_change`: in every sample the energy of every layer has changed by at most this times itself in the last
    step; never before step 1. `arrival`: a signal has reached every layer, that is, any unit of any sample has had a
    non-zero error there.
    """

    grad_norm: float | None = None
    relative_change: float | None = None
    arrival: bool = False

    def is_met(
        self,
        norm: Callable[[], Shaped[Array, " batch"]],
        layerwise: Float64[Array, "layers batch"],
        before: Float64[Array, "layers batch"],
        arrived: Array,
    ) -> Array:
        """Return whether the rule holds, a boolean scalar.

        `norm` gives the norm of the gradient of every sample if it is needed, `before` are the `layerwise` energies of
        the step before (inf at the start), `arrived` says whether every layer has been reached.
        """
        held = [arrived] if self.arrival else []
        if self.relative_change is not None:
            held.append((abs(layerwise - before) <= self.relative_change * layerwise).all())
        if self.grad_norm is not None:
            held.append((norm() <= self.grad_norm).all())
        met = held[0]
        for condition in held[1:]:
            met = met & condition
        return met

    def __str__(self) -> str:
        """Return the rule in the words of a scenario."""
        numbers = {"grad_norm": self.grad_norm, "relative_change": self.relative_change}
        words = [f"{word} = {value:g}" for word, value in numbers.items() if value is not None]
        return ", ".join([*words, *(["arrival"] if self.arrival else [])])


def gradient_norm(xp: Namespace, point: Evaluation) -> Shaped[Array, " batch"]:
    """Return the norm of the gradient over all moving variables of every sample, in the wide type."""
    squares = [xp.sum_of_squares(g) for g in point.gradient]
    total = xp.sum(xp.stack(squares), axis=0) if squares else xp.zeros_like(xp.sum_of_squares(point.errors[-1]))
    return xp.sqrt(total)
