"""Statistics of batch normalisation: those of a batch, the running ones, and which of them a network uses."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import prod
from typing import NamedTuple

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import BatchNorm, Branch, Chain, Layer, LiveBatchNorm
from pcsim.model.layers.norm import RUNNING_SHARE
from pcsim.model.network import Network

NAMES = ("mean", "variance")


class Seen(NamedTuple):
    """Mean and variance of all norms in a batch, by layer and name.

    `held` are those that the batch is normalised with, the variance biased; that in `counted`, for the running ones, is
    not.
    """

    held: tuple[Parameters, ...]
    counted: tuple[Parameters, ...]


def normalises(network: Network) -> bool:
    """Tell whether the network has norms."""
    return any(isinstance(part, BatchNorm | LiveBatchNorm) for layer in network.layers for part in layer.parts)


def couples_samples(network: Network) -> bool:
    """Tell whether samples of a batch see each other: by live statistics."""
    return any(isinstance(part, LiveBatchNorm) for layer in network.layers for part in layer.parts)


@cache
def evaluated(network: Network) -> Network:
    """Return the network as it is evaluated: with running statistics in the place of live ones."""
    return replace(network, layers=tuple(map(_held_layer, network.layers))) if couples_samples(network) else network


def _held_layer(layer: Layer) -> Layer:
    branches = tuple(replace(branch, chain=_held_chain(branch.chain)) for branch in layer.branches)
    return replace(layer, branches=branches, then=_held_chain(layer.then))


def _held_chain(chain: Chain) -> Chain:
    return Chain(tuple(part.held if isinstance(part, LiveBatchNorm) else part for part in chain.parts))


def batch_statistics(
    xp: Namespace, network: Network, parameters: Sequence[Parameters], x: Shaped[Array, "batch ..."]
) -> Seen:
    """Return the statistics of a batch x (batch, *input_shape) in one feedforward pass that uses them."""
    held: list[Parameters] = []
    counted: list[Parameters] = []
    states = {-1: x}
    for i, layer in enumerate(evaluated(network).layers):
        held.append({})
        counted.append({})
        total: Array = None
        for branch in layer.branches:
            value = _passed(xp, branch, parameters[i], states[branch.source], held[-1], counted[-1])
            total = value if total is None else total + value
        states[i] = _passed(xp, Branch(i, layer.then), parameters[i], total, held[-1], counted[-1])
    return Seen(tuple(held), tuple(counted))


def _passed(
    xp: Namespace, branch: Branch, parameters: Parameters, s: Array, held: Parameters, counted: Parameters
) -> Array:
    """Return what a branch makes of s, and note the statistics of its norms."""
    own = branch.own(parameters)
    for part in branch.chain.parts:
        if isinstance(part, BatchNorm):
            mean, variance = part.statistics(xp, s)
            count = prod(s.shape[:-1])
            own = own | {"mean": mean, "variance": variance}
            unbiased = (count / max(count - 1, 1)) * variance
            for found, pair in ((held, (mean, variance)), (counted, (mean, unbiased))):
                found.update({branch.prefix + name: value for name, value in zip(NAMES, pair, strict=True)})
        s = part.forward(xp, own, s)[0]
    return s


def with_statistics(parameters: Sequence[Parameters], found: Sequence[Parameters]) -> tuple[Parameters, ...]:
    """Return parameters with other statistics in the place of theirs."""
    return tuple(own | new for own, new in zip(parameters, found, strict=True))


def running(before: Sequence[Parameters], counted: Sequence[Parameters]) -> tuple[Parameters, ...]:
    """Return the running statistics after an update on a batch: a share of the batch's, the rest of those before."""
    return tuple(
        {name: (1.0 - RUNNING_SHARE) * own[name] + RUNNING_SHARE * value for name, value in new.items()}
        for own, new in zip(before, counted, strict=True)
    )
