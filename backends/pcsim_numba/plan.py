"""What a network is to the kernels: numbers in tables, all weights in one array, packed."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pcsim.model.activations import Activation, Gelu, LeakyRelu, Linear, Sigmoid, Tanh
from pcsim.model.energy import Energy
from pcsim.model.layers import ActivationFirst, Layer, Start, WeightsFirst
from pcsim.model.losses import BinaryCrossEntropy, CrossEntropy, NoTarget, SoftClampedSquaredError, SquaredError
from pcsim_numba.kernels.memory import aligned
from pcsim_numba.kernels.products import packed, padded

# Columns of `Net.layers`.
N_IN, N_OUT, SOURCE, SKIP, ACTIVATION, WEIGHTS_FIRST, FORWARD, BACKWARD, BIAS, PLACE, LD_IN, LD_OUT = range(12)
# Columns of `Net.scales`.
PREMULTIPLIER, NEGATIVE_SLOPE, PRECISION, DECAY = range(4)
LINEAR, TANH, SIGMOID, RELU, LEAKY_RELU, GELU = range(6)
SQUARED, CROSS_ENTROPY, BINARY = range(3)
# A free output has a share of 0 of the squared error.
NOTHING = -2
"""No skip, no bias."""


class Net(NamedTuple):
    """A network with its energy: one row a layer in the tables.

    The readers of state i are `readers[first_reader[i]:first_reader[i + 1]]`. `weights` are packed as they are and
    transposed. A layer's `PLACE` is where its units lie among those of a sample, whole vectors each.
    """

    layers: NDArray[np.int64]
    scales: NDArray[np.float64]
    readers: NDArray[np.int64]
    first_reader: NDArray[np.int64]
    weights: NDArray[Any]
    biases: NDArray[Any]
    loss: int
    share: float


@dataclass(frozen=True)
class Plan:
    """The tables of a network, and how many numbers a sample has."""

    net: Net
    units: int
    """Of all layers, padded."""
    slope_places: NDArray[np.int64]
    """Where a layer's slopes lie among those of a sample, and last how many there are: as wide as its wider end."""


def plan(energy: Energy, parameters: tuple[dict[str, NDArray[Any]], ...], dtype: np.dtype[Any]) -> Plan:
    """Return what the kernels need to know of a network with parameters in the type of the run."""
    count = len(energy.network.layers)
    tables, scales = np.zeros((count, 12), np.int64), np.ones((count, 4))
    weights: list[NDArray[Any]] = []
    biases: list[NDArray[Any]] = []
    at = bias_at = units = 0
    for i, layer in enumerate(energy.network.layers):
        matrix = _matrix(layer, parameters[i]).astype(dtype)
        n_in, n_out = matrix.shape
        forward, backward = packed(matrix), packed(np.ascontiguousarray(matrix.T))
        activation, slope = _coded_operation(layer)
        skip = NOTHING if layer.skip is None else layer.skip
        if skip == -1:
            raise TypeError("no kernels for skips from the input")
        tables[i] = (
            *(n_in, n_out, layer.source, skip, activation, not isinstance(layer.operation, ActivationFirst)),
            *(at, at + forward.size, NOTHING, units, padded(n_in, dtype), padded(n_out, dtype)),
        )
        if "b" in parameters[i]:
            tables[i, BIAS] = bias_at
            biases.append(np.pad(parameters[i]["b"].astype(dtype), (0, padded(n_out, dtype) - n_out)))
            bias_at += biases[-1].size
        is_free = i < count - 1
        gamma, delta = (energy.precisions[i], energy.decays[i]) if is_free else (1.0, 0.0)
        scales[i] = layer.premultiplier, slope, gamma, delta
        weights += [forward, backward]
        at += forward.size + backward.size
        units += padded(n_out, dtype)
    first = np.cumsum([0, *(len(r) for r in energy.network.readers)])
    readers = np.array([j for r in energy.network.readers for j in r], np.int64)
    loss, share = _coded_loss(energy)
    net = Net(tables, scales, readers, first, _joined(weights, dtype), _joined(biases, dtype), loss, share)
    wider = tables[:, [LD_IN, LD_OUT]].max(axis=1)
    return Plan(net, units, np.cumsum([0, *wider]))


def _matrix(layer: Layer, parameters: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """Return the weights of a layer; a free input's start, which is taken over once, has those of the identity."""
    return np.eye(layer.operation.input_shape[0]) if isinstance(layer.operation, Start) else parameters["W"]


def _coded_operation(layer: Layer) -> tuple[int, float]:
    match layer.operation:
        case Start():
            return LINEAR, 0.0
        case WeightsFirst() | ActivationFirst():
            return _coded(layer.operation.activation)
        case _:
            raise TypeError(f"no kernels for layers of the kind {type(layer.operation).__name__}")


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
            raise TypeError(f"no kernels for {type(activation).__name__}")


def _coded_loss(energy: Energy) -> tuple[int, float]:
    """Return the loss and the share of the squared error that a soft clamp leaves."""
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
            raise TypeError(f"no kernels for {type(energy.loss).__name__}")


def _joined(parts: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    whole = aligned(sum(part.size for part in parts), dtype)
    np.concatenate([np.zeros(0, dtype), *parts], out=whole)
    return whole
