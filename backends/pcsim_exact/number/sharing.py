"""Layers that give back the very same prediction while their inputs have not changed.

Ball arithmetic cannot see that two balls computed alike hold the same number: their difference only contains zero.
With the same *array* back, a state that nothing has moved since the feedforward pass keeps an error of exactly zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pcsim.inference import Inference
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import Layer, Saved


@dataclass(frozen=True)
class SharedLayer(Layer):
    """A layer that remembers its last inputs and what they gave."""

    last: list[tuple[Mapping[int, Array], tuple[Array, Saved]]] = field(default_factory=list, compare=False, repr=False)

    def forward(self, xp: Namespace, parameters: Parameters, states: Mapping[int, Array]) -> tuple[Array, Saved]:
        """Return the prediction and what is saved, the same objects as last time if the inputs are."""
        if self.last and all(self.last[0][0][j] is states[j] for j in self.reads):
            return self.last[0][1]
        result = super().forward(xp, parameters, states)
        self.last[:] = [(dict(states), result)]
        return result


def with_shared_predictions(inference: Inference) -> Inference:
    """Return the same inference on layers that share unchanged predictions."""
    network = inference.energy.network
    layers = tuple(SharedLayer(layer.branches, layer.then) for layer in network.layers)
    return inference.with_energy(replace(inference.energy, network=replace(network, layers=layers)))
