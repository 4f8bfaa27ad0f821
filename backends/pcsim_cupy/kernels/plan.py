"""What a network is to the kernels: numbers in tables, and equal layers stacked."""

from dataclasses import dataclass

import numpy as np

from pcsim.engine.lowering import NOTHING, Lowered, LoweredLayer, lowered
from pcsim.errors import UsageError
from pcsim.model.energy import Energy
from pcsim.typing import NDArray
from pcsim_cupy.support import KERNELS


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
    network = lowered(KERNELS, energy)
    layers = network.layers
    _check_reads(network)
    widths = tuple(layer.n_out for layer in layers)
    places, bias_places = (
        tuple(np.cumsum([0, *sizes]).tolist())
        for sizes in (widths, [layer.n_out if layer.biased else 0 for layer in layers])
    )
    skips = tuple(layer.skip for layer in layers)
    table = np.full((len(layers), 6), NOTHING, np.int32)
    for i, layer in enumerate(layers):
        reader = skips.index(i) if i in skips else NOTHING
        bias = bias_places[i] if layer.biased else NOTHING
        table[i] = layer.n_out, places[i], layer.activation, layer.skip, reader, bias
    orders = {layer.weights_first for layer in layers if not layer.starts}
    if len(orders) > 1:
        raise _no_kernels("networks of both orders")
    return Plan(
        widths,
        places,
        table,
        network.scales,
        _groups(layers),
        bias_places,
        orders == {False},
        layers[0].starts,
        network.loss,
        network.share,
        skips,
    )


def _check_reads(network: Lowered) -> None:
    skips = [layer.skip for layer in network.layers if layer.skip != NOTHING]
    if any(layer.source != i - 1 for i, layer in enumerate(network.layers)):
        raise _no_kernels("layers that do not read the one below")
    if len(set(skips)) < len(skips):
        raise _no_kernels("several skips from one state")


def _groups(layers: tuple[LoweredLayer, ...]) -> tuple[Group, ...]:
    groups: list[Group] = []
    for i, layer in enumerate(layers):
        if layer.starts:
            continue
        last = groups[-1] if groups else None
        # The input does not lie in front of the states: what reads it is alone.
        if last is not None and last.first > 0 and _shape(layers[last.first]) == _shape(layer):
            groups[-1] = Group(last.first, last.count + 1, layer.n_in, layer.n_out)
        else:
            groups.append(Group(i, 1, layer.n_in, layer.n_out))
    return tuple(groups)


def _shape(layer: LoweredLayer) -> tuple[int, int, bool]:
    return layer.n_in, layer.n_out, layer.biased


def _no_kernels(what: str) -> UsageError:
    return UsageError(KERNELS.without(what))
