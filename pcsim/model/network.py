"""The network: a frozen description of a chain of layers. It holds no arrays."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Shaped

from pcsim.model.activations import Activation, Linear, Sigmoid
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.initialisers import Initialiser, drawn
from pcsim.model.layers import Branch, Chain, Dense, DenseLayer, Layer, Parameter, Shape, Start, dense_layer
from pcsim.model.top_down import TOP_DOWN
from pcsim.typing import NDArray

PRECISION = "precision"
"""The name of a layer's precision γ, (1,), among its parameters."""
AMORTISER = "A"
"""What stands before the names of an amortiser's parameters among those of the layer that it goes back through."""


@dataclass(frozen=True)
class Network:
    """N predictive layers; layer i predicts state i, the last one the output.

    `input_shape` is the shape of one sample. States s_0 … s_{N−2} are free, the input is state −1. With
    `learns_precisions` the precision of every hidden layer is one of its parameters. An `amortiser` is a network from
    the output down to the input, a layer for every layer here, whose parameters are among theirs. `top_down` are the
    top-down predictions, one a layer from its own state, or none at all (`pcsim.model.top_down`).
    """

    input_shape: tuple[int, ...]
    layers: tuple[Layer, ...]
    learns_precisions: bool = False
    amortiser: "Network | None" = None
    top_down: tuple[Branch | None, ...] = ()

    @property
    def state_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of one sample of every free state."""
        return self.layer_shapes[:-1]

    @cached_property
    def layer_shapes(self) -> tuple[Shape, ...]:
        """Shape of one sample of every layer's prediction, the output's last.

        Raises `ValueError`, naming the layer, where a part does not fit what it is given, and for a state that is not
        below.
        """
        shapes = {-1: self.input_shape}
        for i, layer in enumerate(self.layers):
            if (source := next((j for j in layer.reads if not -1 <= j < i), None)) is not None:
                below = "the input alone, −1" if i == 0 else f"those below it, −1 (the input) to {i - 1}"
                raise ValueError(f"layer {i} reads state {source}; it can read {below}")
            try:
                shapes[i] = layer.output_shape(shapes)
            except ValueError as error:
                raise ValueError(f"layer {i} {error}") from None
        return tuple(shapes[i] for i in range(len(self.layers)))

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What the layers are called: `layer 0`, `layer 1`, …, `output`; before them the `input` where it is free."""
        free = self.has_free_input
        hidden = tuple(f"layer {i}" for i in range(len(self.layers) - 1 - free))
        return (*(("input",) if free else ()), *hidden, "output")

    @property
    def has_free_input(self) -> bool:
        """Whether state 0 is the input, which moves."""
        return self.start is not None

    @cached_property
    def start(self) -> Start | None:
        """The part that predicts a free input, None where the input is given."""
        match self.layers[0].branches[0].chain.parts:
            case (Start() as start,):
                return start
            case _:
                return None

    def with_free_input(self, held: tuple[bool, ...] = ()) -> "Network":
        """Return the network with its input as state 0, predicted by where it starts; other states count one more.

        `held` tells for every unit of the input whether it stays where it starts; empty: none.
        """

        layers = (
            replace(layer, branches=tuple(replace(branch, source=branch.source + 1) for branch in layer.branches))
            for layer in self.layers
        )
        start = Layer((Branch(-1, Chain((Start(held),))),))
        shifted = [branch and replace(branch, source=branch.source + 1) for branch in self.top_down]
        return replace(self, layers=(start, *layers), top_down=(None, *shifted) if shifted else ())

    def with_free_output(self) -> "Network":
        """Return the network with its output as one more state, which is what the new last layer predicts."""
        last = Layer((Branch(len(self.layers) - 1),))
        return replace(self, layers=(*self.layers, last), top_down=(*self.top_down, None) if self.top_down else ())

    def with_top_down(self, mirror: "Network") -> "Network":
        """Return the network with top-down predictions: those of a chain `mirror` from its output to its input."""
        chains = [layer.branches[0].chain for layer in reversed(mirror.layers)]
        return replace(self, top_down=tuple(Branch(i, chain, TOP_DOWN) for i, chain in enumerate(chains)))

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
            (name, i, parameter.shape)
            for i, parameters in enumerate(self.parameters)
            for name, parameter in parameters.items()
        )

    @cached_property
    def parameters(self) -> tuple[Mapping[str, Parameter], ...]:
        """What there is to know of every layer's parameters, by name."""
        every, first = [dict(layer.parameters) for layer in self.layers], int(self.has_free_input)
        if self.learns_precisions:
            for own in every[first:-1]:
                own[PRECISION] = Parameter((1,), "ones")
        if self.amortiser is not None:
            for own, back in zip(every[first:], reversed(self.amortiser.layers), strict=True):
                own |= {AMORTISER + name: each for name, each in back.parameters.items()}
        for own, branch in zip(every, self.top_down, strict=False):
            own.update({} if branch is None else branch.parameters)
        return tuple(every)

    @property
    def multiplications(self) -> int:
        """How many numbers of one sample are multiplied with weights to predict everything once."""
        down = (part for branch in self.top_down if branch is not None for part in branch.chain.parts)
        return sum(part.multiplications for part in (*down, *(part for layer in self.layers for part in layer.parts)))

    def outputs(
        self, xp: Namespace, parameters: Sequence[Parameters], x: Shaped[Array, "batch ..."]
    ) -> Shaped[Array, "batch ..."]:
        """Return the outputs ŷ of a forward pass from x (batch, *input_shape)."""
        predictions: list[Array] = []
        for layer, own in zip(self.layers, parameters, strict=True):
            states = {j: x if j < 0 else predictions[j] for j in layer.reads}
            predictions.append(layer.forward(xp, own, states)[0])
        return predictions[-1]

    def draw_parameters(
        self, initialisers: Initialiser | Sequence[Initialiser], seed: int | Sequence[int]
    ) -> tuple[dict[str, NDArray[np.float64]], ...]:
        """Draw the parameters of every layer from the seed, in float64, with one initialiser for all or one for each.

        Weights are drawn; biases are zero unless the initialiser draws them too. Those of top-down predictions are
        drawn apart, so that the others are what they are without.
        """
        rng, apart = np.random.default_rng(seed), np.random.default_rng([*np.atleast_1d(seed), 9])
        each = initialisers if isinstance(initialisers, Sequence) else [initialisers] * len(self.layers)
        return tuple(
            {
                name: drawn(initialiser, rng if name in layer.parameters else apart, parameter)
                for name, parameter in parameters.items()
            }
            for initialiser, layer, parameters in zip(each, self.layers, self.parameters, strict=True)
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
    ntp: bool = False,
    gamma: float = 1.0,
) -> Network:
    """Build a chain of dense layers from `widths` = (input, n_0, …, output).

    `skip` = k > 0 adds s_{i−k} to the prediction of every layer k ≤ i ≤ N−2; `mupc` sets the premultipliers of
    the µPC parametrisation (thesis Table 5.1; model: section 4), `ntp` those of the neural tangent parametrisation,
    which has n^{−1/2} at the output where µPC has n^{−1}. The output's premultiplier is divided by `gamma`.
    """
    count = len(widths) - 1
    layers: list[Layer] = []
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        is_output = i == count - 1
        last: Activation = Sigmoid() if sigmoid_output else Linear()
        without = i == 0 if activation_first else is_output
        own = (Linear() if activation_first else last) if without else activation
        skips = skip > 0 and i >= skip and not is_output
        scale = premultiplier(n_in, count if skip > 0 < i else 1, is_output and i > 0, mupc) if mupc or ntp else 1.0
        scale = scale / gamma if is_output else scale
        dense = Dense(n_in, n_out, bias)
        layers.append(dense_layer(DenseLayer(i - 1, dense, own, activation_first, scale, i - skip if skips else None)))
    return Network((widths[0],), tuple(layers))


def premultiplier(n_in: int, count: int, is_output: bool, mupc: bool) -> float:
    """Return a layer's premultiplier in µPC, or in the neural tangent parametrisation.

    `count` is the number of layers where there are skips, 1 where there are none; the first layer, which has no skip,
    is given 1 in either case.
    """
    if is_output:
        return 1.0 / n_in if mupc else 1.0 / math.sqrt(n_in)
    return 1.0 / math.sqrt(n_in * count)
