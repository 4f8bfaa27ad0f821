"""The network: a frozen description of a chain of layers. It holds no arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Shaped

from pcsim.model.activations import Activation, Linear, Sigmoid
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.initialisers import Initialiser
from pcsim.model.layers import ActivationFirst, Layer, Start, WeightsFirst
from pcsim.typing import NDArray


@dataclass(frozen=True)
class Network:
    """N predictive layers; layer i predicts state i, the last one the output.

    `input_shape` is the shape of one sample. States s_0 … s_{N−2} are free, the input is state −1.
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of one sample of every free state."""
        return self.layer_shapes[:-1]

    @property
    def layer_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of one sample of every layer's prediction, the output's last."""
        return tuple(layer.operation.output_shape for layer in self.layers)

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What the layers are called: `layer 0`, `layer 1`, …, `output`; before them the `input` where it is free."""
        free = self.has_free_input
        hidden = tuple(f"layer {i}" for i in range(len(self.layers) - 1 - free))
        return (*(("input",) if free else ()), *hidden, "output")

    @property
    def has_free_input(self) -> bool:
        """Whether state 0 is the input, which moves."""
        return isinstance(self.layers[0].operation, Start)

    def with_free_input(self, held: tuple[bool, ...] = ()) -> "Network":
        """Return the network with its input as state 0, predicted by where it starts; other states count one more.

        `held` tells for every unit of the input whether it stays where it starts; empty: none.
        """

        def moved(state: int | None) -> int | None:
            return None if state is None else state + 1

        layers = (replace(layer, source=layer.source + 1, skip=moved(layer.skip)) for layer in self.layers)
        return Network(self.input_shape, (Layer(Start(self.input_shape, held), -1), *layers))

    @cached_property
    def readers(self) -> tuple[tuple[int, ...], ...]:
        """For every free state, the layers that read it, in ascending order."""
        return tuple(
            tuple(j for j, layer in enumerate(self.layers) if i in layer.reads) for i in range(len(self.layers) - 1)
        )

    @property
    def parameter_names(self) -> tuple[tuple[str, int, tuple[int, ...]], ...]:
        """Name, layer and shape of every parameter array, in order: `("W", 0, (n_in, n_out))`, …"""
        return tuple(
            (name, i, shape)
            for i, layer in enumerate(self.layers)
            for name, shape in layer.operation.parameter_shapes.items()
        )

    def outputs(
        self, xp: Namespace, parameters: Sequence[Parameters], x: Shaped[Array, "batch ..."]
    ) -> Shaped[Array, "batch ..."]:
        """Return the outputs ŷ of a forward pass from x (batch, *input_shape)."""
        predictions: list[Array] = []
        for layer, own in zip(self.layers, parameters, strict=True):
            inputs = [x if j < 0 else predictions[j] for j in layer.reads]
            predictions.append(layer.forward(xp, own, inputs)[0])
        return predictions[-1]

    def draw_parameters(self, initialiser: Initialiser, seed: int) -> tuple[dict[str, NDArray[np.float64]], ...]:
        """Draw the parameters of every layer from the seed, in float64: matrices as the initialiser says, biases 0."""
        rng = np.random.default_rng(seed)
        return tuple(
            {
                name: initialiser.draw(rng, *shape) if len(shape) == 2 else np.zeros(shape)
                for name, shape in layer.operation.parameter_shapes.items()
            }
            for layer in self.layers
        )


def dense_chain(
    widths: tuple[int, ...],
    activation: Activation,
    *,
    activation_first: bool = False,
    sigmoid_output: bool = False,
    bias: bool = True,
    skip: int = 0,
    mupc: bool = False,
) -> Network:
    """Build a chain of dense layers from `widths` = (input, n_0, …, output).

    `skip` = k > 0 adds s_{i−k} to the prediction of every layer k ≤ i ≤ N−2; `mupc` sets the premultipliers of
    the µPC parametrisation (thesis Table 5.1; model: section 4).
    """
    count = len(widths) - 1
    layers: list[Layer] = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        is_output = i == count - 1
        if activation_first:
            operation = ActivationFirst(n_in, n_out, Linear() if i == 0 else activation, bias)
        else:
            last: Activation = Sigmoid() if sigmoid_output else Linear()
            operation = WeightsFirst(n_in, n_out, last if is_output else activation, bias)
        skips = skip > 0 and i >= skip and not is_output
        scale = _mupc_premultiplier(i, n_in, count, skip > 0) if mupc else 1.0
        layers.append(Layer(operation, i - 1, scale, i - skip if skips else None))
    return Network((widths[0],), tuple(layers))


def _mupc_premultiplier(i: int, n_in: int, count: int, skips: bool) -> float:
    if i == 0:
        return 1.0 / math.sqrt(n_in)
    if i == count - 1:
        return 1.0 / n_in
    return 1.0 / math.sqrt(n_in * count if skips else n_in)
