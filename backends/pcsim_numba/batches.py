"""Learning from a batch whose samples do not see each other: some at a time, on all cores."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pcsim.learning.batch import Batch
from pcsim.learning.learner import Learned, Memory
from pcsim.model.arrays import Array, Parameters
from pcsim.model.network import Network
from pcsim.model.statistics import Seen, batch_statistics, couples_samples, normalises
from pcsim_numba.threads import on_all

SAMPLES = 16
"""Of a block: few enough that their states stay in a core's own cache, and that there is work for all cores."""


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
        if together or len(self.x) <= SAMPLES or isinstance(self, _Blocks):
            return super().learn(parameters, memory, rate, number)
        blocks = _Blocks(self.xp, learner, self.x, self.y, self.loop, self.normalised)
        return blocks.learn(parameters, memory, rate, number)


@dataclass(frozen=True)
class _Blocks(ListedBatch):
    """A batch in blocks: what is clamped, and where inference ended, are one of each block."""

    def settle(self, parameters: tuple[Parameters, ...]) -> tuple[Any, Any, Array, None]:
        blocks = [slice(first, first + SAMPLES) for first in range(0, len(self.x), SAMPLES)]
        whole = Batch(self.xp, self.learner, self.x, self.y, self.loop)
        found = _apart(lambda rows: replace(whole, x=self.x[rows], y=self.y[rows]).settle(parameters), blocks)
        clamped, points, outputs, _ = zip(*found, strict=True)
        return clamped, points, np.concatenate(outputs), None

    def updated(
        self, clamped: Any, point: Any, memory: Memory, rate: Any, number: Any
    ) -> tuple[tuple[Parameters, ...], Memory]:
        energy = self.learner.inference.energy
        pairs = list(zip(clamped, point, strict=True))
        found = _apart(lambda pair: energy.parameter_gradient(self.xp, *pair), pairs)
        shares = [len(block.x) / len(self.x) for block in clamped]
        gradient = tuple(
            {name: sum(share * own[name] for share, own in zip(shares, layers, strict=True)) for name in layers[0]}
            for layers in zip(*found, strict=True)
        )
        return self.learner.follow(self.xp, clamped[0].parameters, gradient, memory, rate, number)

    def _seen(self, clamped: Any, point: Any) -> tuple[Array, tuple[Array, ...]]:
        seen = super()._seen
        energies, signals = zip(*_apart(lambda pair: seen(*pair), list(zip(clamped, point, strict=True))), strict=True)
        return np.concatenate(energies, axis=1), tuple(map(any, zip(*signals, strict=True)))


def _apart(call: Callable[[Any], Any], blocks: list[Any]) -> list[Any]:
    """Return what a function makes of every block, computed on all cores."""
    found: list[Any] = [None] * len(blocks)

    def one(k: int) -> None:
        # What numpy says of overflow is every thread's own.
        with np.errstate(all="ignore"):
            found[k] = call(blocks[k])

    on_all(one, range(len(blocks)))
    return found
