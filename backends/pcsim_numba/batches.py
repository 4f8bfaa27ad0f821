"""Learning from a batch whose samples do not see each other: some at a time, on all cores."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial, reduce
from itertools import starmap
from typing import Any

import numpy as np

from pcsim.learning.batch import Batch, against_forward_pass
from pcsim.learning.learner import Learned, Memory
from pcsim.model.arrays import Array, Parameters
from pcsim.model.layers import Layer
from pcsim.model.network import Network
from pcsim.model.statistics import Seen, batch_statistics, couples_samples, normalises
from pcsim_numba.fused import Blocks, Fused
from pcsim_numba.threads import apart

SAMPLES = 16
"""Of a block: few enough that their states stay in a core's own cache, and that there is work for all cores."""
SUMS = 8
"""Gradients of a layer that are there at once, at most, for as many threads."""


@dataclass(frozen=True)
class ListedBatch(Batch):
    """A batch whose statistics are taken on another form of the network, with norms that are parts of their own."""

    normalised: Network | None = None

    def statistics(self, parameters: tuple[Parameters, ...]) -> Seen | None:
        """Return the statistics of the batch, None without norms."""
        network = self.normalised
        if network is None or not normalises(network):
            return None
        return batch_statistics(self.xp, network, parameters, self.x)

    def learn(self, parameters: tuple[Parameters, ...], memory: Memory, rate: Any, number: Any) -> Learned:
        """Return what the batch changes, from blocks of samples where they go through inference each on its own."""
        learner, network = self.learner, self.learner.inference.energy.network
        together = learner.updates_every_step or learner.stop is not None or couples_samples(network)
        batch = self if together else _Blocks(self.xp, learner, self.x, self.y, self.loop, normalised=self.normalised)
        return Batch.learn(batch, parameters, memory, rate, number)


@dataclass(frozen=True)
class _Blocks(ListedBatch):
    """A batch in blocks: what is clamped, and where inference ended, are one of each block."""

    def settle(self, parameters: tuple[Parameters, ...]) -> tuple[Any, Any, Array, None]:
        blocks = [slice(first, first + SAMPLES) for first in range(0, len(self.x), SAMPLES)]
        whole = Batch(self.xp, self.learner, self.x, self.y, self.loop)
        found = apart(lambda rows: replace(whole, x=self.x[rows], y=self.y[rows]).settle(parameters), blocks)
        clamped, points, outputs, _ = zip(*found, strict=True)
        return clamped, points, np.concatenate(outputs), None

    def updated(
        self, clamped: Any, point: Any, memory: Memory, rate: Any, number: Any
    ) -> tuple[tuple[Parameters, ...], Memory]:
        energy, parameters = self.learner.inference.energy, clamped[0].parameters
        layers = energy.network.layers
        if self.learner.recalls_forward_pass:
            pairs = list(zip(clamped, point, strict=True))
            point = apart(lambda pair: against_forward_pass(self.xp, energy, *pair), pairs)
        gradient = tuple(self._gradient(layer, i, parameters[i], point) for i, layer in enumerate(layers))
        return self.learner.follow(self.xp, parameters, gradient, memory, rate, number)

    def _gradient(self, layer: Layer, i: int, parameters: Parameters, points: Sequence[Any]) -> Parameters:
        """Return the gradient of layer i as a mean over the batch, from where its blocks ended."""
        energy, share = self.learner.inference.energy, -1.0 / len(self.x)
        saved = [point.saved[i] for point in points]
        errors = apart(lambda point: share * energy.weighted_error(point.errors, i), points)
        if all(isinstance(part, Fused) for part in layer.parts):
            return layer.gradient(self.xp, parameters, _together(saved), Blocks(errors))
        pairs = list(zip(saved, errors, strict=True))
        count = min(len(pairs), SUMS)
        groups = [pairs[len(pairs) * k // count : len(pairs) * (k + 1) // count] for k in range(count)]
        one = partial(layer.gradient, self.xp, parameters)
        return reduce(_added, apart(lambda group: reduce(_added, starmap(one, group)), groups))

    def _seen(self, clamped: Any, point: Any) -> tuple[Array, tuple[Array, ...]]:
        seen = super()._seen
        energies, signals = zip(*apart(lambda pair: seen(*pair), list(zip(clamped, point, strict=True))), strict=True)
        return np.concatenate(energies, axis=1), tuple(map(any, zip(*signals, strict=True)))


def _together(saved: Sequence[Any]) -> Any:
    """Return what a layer of fused parts saved of each block as it is saved of one, part by part."""
    branches, then = zip(*saved, strict=True)
    by_branch = (tuple(map(Blocks, zip(*parts, strict=True))) for parts in zip(*branches, strict=True))
    return tuple(by_branch), tuple(map(Blocks, zip(*then, strict=True)))


def _added(total: Parameters, other: Parameters) -> Parameters:
    return {name: total[name] + array for name, array in other.items()}
