"""Networks of any layers: the core's own loops and methods, their layers in kernels."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.support import DTYPES
from pcsim_numpy.threads import threads_for
from pcsim_numpy.trainer import NumpyTrainer

from pcsim.engine.backend import Settled, Task
from pcsim.engine.loop import settle
from pcsim.inference import Inference
from pcsim.learning.batch import Batch
from pcsim.learning.trainer import TrainingTask
from pcsim.model.arrays import Parameters
from pcsim.model.layers import Dense
from pcsim.model.network import Network
from pcsim.model.statistics import Seen, batch_statistics, normalises
from pcsim.trace.layout import Block
from pcsim.typing import NDArray
from pcsim_numba.fused import fused
from pcsim_numba.namespace import NumbaNamespace


def settle_listed(task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task."""
    dtype = DTYPES[task.precision]

    def to_run(array: NDArray[np.float64]) -> NDArray[Any]:
        return np.ascontiguousarray(array, dtype=dtype)

    compiled = replace(task, inference=with_kernels(task.inference))
    with np.errstate(all="ignore"), _dense_threads(task.inference.energy.network, len(task.x)):
        return settle(NumbaNamespace(), compiled, to_run, np.asarray, sink, poll)


def with_kernels(inference: Inference) -> Inference:
    """Return the same inference on fused layers; increments, which no fused part has, stay with the parts."""
    if inference.traits.carries_errors:
        return inference
    energy = inference.energy
    return inference.with_energy(replace(energy, network=fused(energy.network)))


class ListedTrainer(NumpyTrainer):
    """A network of any layers in training."""

    namespace: ClassVar[type[NumpyNamespace]] = NumbaNamespace

    def __init__(self, task: TrainingTask) -> None:
        network = task.learner.inference.energy.network
        self._unfused = network
        # The statistics of a batch are looked for at norms.
        self._with_norms = fused(network, norms=False)
        super().__init__(replace(task, learner=replace(task.learner, inference=with_kernels(task.learner.inference))))

    @contextmanager
    def _computing(self, samples: int) -> Generator[None]:
        with np.errstate(all="ignore"), _dense_threads(self._unfused, samples):
            yield

    def _batch(self, x: NDArray[Any], y: NDArray[Any]) -> Batch:
        return _Batch(self._xp, self._learner, x, y, normalised=self._with_norms)


@dataclass(frozen=True, kw_only=True)
class _Batch(Batch):
    """A batch whose statistics are taken on another form of the network."""

    normalised: Network

    def statistics(self, parameters: tuple[Parameters, ...]) -> Seen | None:
        return batch_statistics(self.xp, self.normalised, parameters, self.x) if normalises(self.normalised) else None


def _dense_threads(network: Network, rows: int) -> Any:
    """Keep products of dense parts, which are BLAS's, on one thread if they are short."""
    dense = [part.multiplications for layer in network.layers for part in layer.parts if isinstance(part, Dense)]
    return threads_for(2 * rows * max(dense, default=0))
