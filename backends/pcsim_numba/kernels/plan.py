"""What a network is to the kernels: a row of numbers a layer, all weights in one array, packed."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pcsim.engine.lowering import NOTHING, Lowered
from pcsim.model.arrays import Parameters
from pcsim.typing import NDArray
from pcsim_numba.kernels.memory import aligned
from pcsim_numba.kernels.products import packed, padded

# Columns of `Net.layers`.
N_IN, N_OUT, SOURCE, SKIP, ACTIVATION, WEIGHTS_FIRST, FORWARD, BACKWARD, BIAS, PLACE, LD_IN, LD_OUT = range(12)


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


def plan(network: Lowered, parameters: tuple[Parameters, ...], dtype: np.dtype[Any]) -> Plan:
    """Return what the kernels need to know of a network with parameters in the type of the run."""
    tables = np.zeros((len(network.layers), 12), np.int64)
    weights: list[NDArray[Any]] = []
    biases: list[NDArray[Any]] = []
    at = bias_at = units = 0
    for i, (layer, own) in enumerate(zip(network.layers, parameters, strict=True)):
        # A free input's start, which is taken over once, has the weights of the identity.
        matrix = (np.eye(layer.n_in) if layer.starts else own["W"]).astype(dtype)
        forward, backward = packed(matrix), packed(np.ascontiguousarray(matrix.T))
        ld_in, ld_out = padded(layer.n_in, dtype), padded(layer.n_out, dtype)
        tables[i] = (
            *(layer.n_in, layer.n_out, layer.source, layer.skip, layer.activation, layer.weights_first),
            *(at, at + forward.size, NOTHING, units, ld_in, ld_out),
        )
        if layer.biased:
            tables[i, BIAS] = bias_at
            biases.append(np.pad(own["b"].astype(dtype), (0, ld_out - layer.n_out)))
            bias_at += ld_out
        weights += [forward, backward]
        at += forward.size + backward.size
        units += ld_out
    first = np.cumsum([0, *map(len, network.readers)])
    readers = np.array([j for r in network.readers for j in r], np.int64)
    arrays = _joined(weights, dtype), _joined(biases, dtype)
    net = Net(tables, network.scales, readers, first, *arrays, network.loss, network.share)
    return Plan(net, units, np.cumsum([0, *tables[:, [LD_IN, LD_OUT]].max(axis=1)]))


def _joined(parts: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    whole = aligned(sum(part.size for part in parts), dtype)
    np.concatenate([np.zeros(0, dtype), *parts], out=whole)
    return whole
