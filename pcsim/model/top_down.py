"""The top-down terms of an energy: what every layer reads is predicted from its own state (Oliviers et al. 2025).

E gains Σ_i α/2 ‖δ_i‖² with δ_i = s_{i−1} − t_i(s_i): s_{−1} is the input, s_{N−1} the target. A term is counted with
layer i, whose parameters t_i has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import Branch, Saved

TOP_DOWN = "T"
"""Before the names of a layer's top-down parameters."""


class Downward(NamedTuple):
    """A top-down prediction at a point: its error δ, (batch, *units) of the layer below, and what is saved."""

    error: Array
    saved: Saved


AllDownward: TypeAlias = tuple[Downward | None, ...]
"""Of every layer, None where it has no top-down prediction; empty where none has."""


@dataclass(frozen=True)
class TopDown:
    """The terms with weight α: branch i reads state i and predicts state i − 1, None where there is no prediction."""

    branches: tuple[Branch | None, ...]
    weight: float

    def at(self, xp: Namespace, parameters: Sequence[Parameters], states: Mapping[int, Array]) -> AllDownward:
        """Return the predictions at states by number, the input's −1 and the output's among them."""
        found: list[Downward | None] = []
        for branch, own in zip(self.branches, parameters, strict=False):
            if branch is None:
                found.append(None)
                continue
            prediction, saved = branch.chain.forward(xp, branch.own(own), states[branch.source])
            found.append(Downward(states[branch.source - 1] - prediction, saved))
        return tuple(found)

    def added_to_gradients(
        self, xp: Namespace, parameters: Sequence[Parameters], gradients: Sequence[Array], downward: AllDownward
    ) -> list[Array]:
        """Return gradients of free states with α δ_i at state i − 1, and −α δ_iᵀ ∂t_i/∂s_i at state i."""
        found = list(gradients)
        for branch, own, point in zip(self.branches, parameters, downward, strict=False):
            if branch is None or point is None:
                continue
            i, weighted = branch.source, self.weight * point.error
            if i > 0:
                found[i - 1] = found[i - 1] + weighted
            if i < len(found):
                found[i] = found[i] - branch.chain.pullback(xp, branch.own(own), point.saved, weighted)
        return found

    def doubled_energies(self, xp: Namespace, downward: AllDownward) -> dict[int, Shaped[Array, " batch"]]:
        """Return α ‖δ_i‖² of every sample in the wide type, by layer."""
        return {i: self.weight * xp.sum_of_squares(p.error) for i, p in enumerate(downward) if p is not None}

    def parameter_gradients(
        self, xp: Namespace, parameters: Sequence[Parameters], downward: AllDownward
    ) -> dict[int, Parameters]:
        """Return −∇_θ E of top-down parameters, α δ_iᵀ ∂t_i/∂θ summed over the batch, by layer."""
        found: dict[int, Parameters] = {}
        for i, (branch, own, point) in enumerate(zip(self.branches, parameters, downward, strict=False)):
            if branch is not None and point is not None:
                slopes = branch.chain.gradient(xp, branch.own(own), point.saved, self.weight * point.error)
                found[i] = {branch.prefix + name: value for name, value in slopes.items()}
        return found
