"""Training on numpy: one update after another."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from pcsim.learning.host_trainer import HostTrainer, Row
from pcsim.learning.trainer import Snapshot, TrainingTask
from pcsim.typing import NDArray
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.support import DTYPES
from pcsim_numpy.threads import blas_threads


class NumpyTrainer(HostTrainer):
    """A network in training in float32 or float64."""

    samples_at_once: ClassVar[int] = 64
    """In an evaluation: few enough that products of small networks stay on one thread, and inference in the cache."""
    namespace: ClassVar[type[NumpyNamespace]] = NumpyNamespace

    def __init__(self, task: TrainingTask) -> None:
        self._dtype = DTYPES[task.precision]
        parameters = tuple({k: self._to_run(v) for k, v in layer.items()} for layer in task.parameters)
        super().__init__(self.namespace(), task, parameters)

    def snapshot(self) -> Snapshot:
        """Return where training stands; updates make new arrays, so that nothing needs copying."""
        return Snapshot(self._learned, self._memory, self._updates)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self._learned, self._memory, self._updates = snapshot

    @contextmanager
    def _computing(self, samples: int) -> Generator[None]:
        with np.errstate(all="ignore"), blas_threads(self._learner.inference.energy.network, samples):
            yield

    def _to_run(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(array, dtype=self._dtype)

    def _stacked(self, column: tuple[Any, ...]) -> NDArray[Any]:
        return np.stack(column)

    def _learn(self, x: NDArray[Any], y: NDArray[Any], rate: float) -> Row:
        learned = self._batch(x, y).learn(self._learned, self._memory, rate, self._updates)
        self._learned, self._memory = learned.parameters, learned.memory
        loss = self._learner.inference.energy.bare.loss.value(self._xp, learned.output, y).mean()
        signal = np.array(learned.has_signal, dtype=np.bool_)
        steps = self._learner.steps if learned.steps is None else int(learned.steps)
        return learned.layerwise.mean(axis=1), loss, learned.output, signal, steps
