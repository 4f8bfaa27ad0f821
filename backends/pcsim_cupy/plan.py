"""What a network is to the kernels: numbers in tables, and equal layers stacked."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim.errors import UsageError
from pcsim.model.activations import Activation, Gelu, LeakyRelu, Linear, Sigmoid, Tanh
from pcsim.model.energy import Energy
from pcsim.model.layers import ActivationFirst, Layer, Start, WeightsFirst
from pcsim.model.losses import BinaryCrossEntropy, CrossEntropy, NoTarget, SoftClampedSquaredError, SquaredError
from pcsim_cupy.support import OTHERS

LINEAR, TANH, SIGMOID, RELU, LEAKY_RELU, GELU = range(6)
SQUARED, CROSS_ENTROPY, BINARY = range(3)
NOTHING = -1
"""No skip, no bias, nobody that reads a state by a skip."""


@dataclass(frozen=True)
class Group:
    """Consecutive layers `first` … `first + count − 1` of equal shape: their weights are stacked."""

    first: int
    count: int
    n_in: int
    n_out: int

    @property
    def layers(self) -> range:
        """The layers' numbers."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True)
class Plan:
    """A network with its energy in numbers.

    `table` has a row of integers a layer and `scales` one of numbers, in the columns that net.cu names; `places` are
    where a layer's units lie among those of a sample, and last how many there are. Of the squared error a soft clamp
    leaves a `share`, a free output 0. `starts` says that layer 0 is the start of a free input, which has no weights.
    """

    widths: tuple[int, ...]
    places: tuple[int, ...]
    table: NDArray[np.int32]
    scales: NDArray[np.float64]
    groups: tuple[Group, ...]
    bias_places: tuple[int, ...]
    activation_first: bool
    starts: bool
    loss: int
    share: float
    skips: tuple[int, ...]

    @property
    def count(self) -> int:
        """The number of layers."""
        return len(self.widths)

    @property
    def units(self) -> int:
        """How many units a sample has in all layers."""
        return self.places[-1]

    @property
    def biases(self) -> int:
        """How many numbers the biases have in all layers."""
        return self.bias_places[-1]

    @property
    def input_width(self) -> int:
        """How many numbers the input of a sample has."""
        return self.widths[0] if self.starts else self.groups[0].n_in

    @property
    def weights(self) -> int:
        """How many numbers the weight matrices have."""
        return sum(group.count * group.n_in * group.n_out for group in self.groups)


def plan(energy: Energy) -> Plan:
    """Return a network in numbers; raises `UsageError` for what there are no kernels for."""
    network, count = energy.network, len(energy.network.layers)
    widths = tuple(int(np.prod(shape)) for shape in network.layer_shapes)
    places = tuple(np.cumsum([0, *widths]).tolist())
    biased = [
        width if "b" in layer.operation.parameter_shapes else 0
        for layer, width in zip(network.layers, widths, strict=True)
    ]
    bias_places = tuple(np.cumsum([0, *biased]).tolist())
    skips = tuple(_skip(i, layer) for i, layer in enumerate(network.layers))
    table, scales = np.full((count, 6), NOTHING, np.int32), np.ones((count, 4))
    for i, (layer, width) in enumerate(zip(network.layers, widths, strict=True)):
        activation, slope = _coded_operation(layer)
        readers = [j for j, skip in enumerate(skips) if skip == i]
        if len(readers) > 1:
            raise _no_kernels("several skips from one state")
        bias = bias_places[i] if biased[i] else NOTHING
        table[i] = width, places[i], activation, skips[i], readers[0] if readers else NOTHING, bias
        gamma, delta = (energy.precisions[i], energy.decays[i]) if i < count - 1 else (1.0, 0.0)
        scales[i] = layer.premultiplier, slope, gamma, delta
    loss, share = _coded_loss(energy)
    orders = {isinstance(layer.operation, ActivationFirst) for layer in network.layers if not _starts(layer)}
    if len(orders) > 1:
        raise _no_kernels("networks of both orders")
    groups = _groups(network.layers)
    starts = _starts(network.layers[0])
    return Plan(widths, places, table, scales, groups, bias_places, orders == {True}, starts, loss, share, skips)


def _starts(layer: Layer) -> bool:
    return isinstance(layer.operation, Start)


def _skip(i: int, layer: Layer) -> int:
    if layer.source != i - 1:
        raise _no_kernels("layers that do not read the one below")
    if layer.skip == -1:
        raise _no_kernels("skips from the input")
    return NOTHING if layer.skip is None else layer.skip


def _groups(layers: tuple[Layer, ...]) -> tuple[Group, ...]:
    groups: list[Group] = []
    for i, layer in enumerate(layers):
        if _starts(layer):
            continue
        n_in, n_out = layer.operation.parameter_shapes["W"]
        last = groups[-1] if groups else None
        # The input does not lie in front of the states: what reads it is alone.
        shapes = layer.operation.parameter_shapes
        if last is not None and last.first > 0 and layers[last.first].operation.parameter_shapes == shapes:
            groups[-1] = Group(last.first, last.count + 1, n_in, n_out)
        else:
            groups.append(Group(i, 1, n_in, n_out))
    return tuple(groups)


def _coded_operation(layer: Layer) -> tuple[int, float]:
    match layer.operation:
        case Start():
            return LINEAR, 0.0
        case WeightsFirst() | ActivationFirst():
            return _coded(layer.operation.activation)
        case _:
            raise _no_kernels(f"layers of the kind {type(layer.operation).__name__}")


def _coded(activation: Activation) -> tuple[int, float]:
    match activation:
        case Linear():
            return LINEAR, 0.0
        case Tanh():
            return TANH, 0.0
        case Sigmoid():
            return SIGMOID, 0.0
        case LeakyRelu(negative_slope=slope):
            return (RELU if slope == 0.0 else LEAKY_RELU), slope
        case Gelu():
            return GELU, 0.0
        case _:
            raise _no_kernels(type(activation).__name__)


def _coded_loss(energy: Energy) -> tuple[int, float]:
    match energy.loss:
        case SquaredError():
            return SQUARED, 1.0
        case SoftClampedSquaredError(precision=gamma):
            return SQUARED, gamma / (1.0 + gamma)
        case NoTarget():
            return SQUARED, 0.0
        case CrossEntropy():
            return CROSS_ENTROPY, 1.0
        case BinaryCrossEntropy():
            return BINARY, 1.0
        case _:
            raise _no_kernels(type(energy.loss).__name__)


def _no_kernels(what: Any) -> UsageError:
    return UsageError(f"cupy has no kernels for {what}; {OTHERS}")
