"""Training on numpy: one update after another."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from pcsim.inference.steppers import with_step_size
from pcsim.learning.batch import Batch
from pcsim.learning.diagnosis import Diagnosis, diagnose
from pcsim.learning.learner import fresh
from pcsim.learning.trainer import Outcome, Snapshot, TrainingTask, Updates
from pcsim.model.arrays import Array
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.threads import blas_threads

DTYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}


class NumpyTrainer:
    """A network in training in float32 or float64."""

    samples_at_once: ClassVar[int] = 64
    """In an evaluation: few enough that products of small networks stay on one thread, and inference in the cache."""

    def __init__(self, task: TrainingTask) -> None:
        self._xp = NumpyNamespace()
        self._dtype = DTYPES[task.precision]
        self._learner, self._evaluation = task.learner, task.evaluation
        self._x, self._y = self._to_run(task.x), self._to_run(task.y)
        self._parameters = tuple({k: self._to_run(v) for k, v in layer.items()} for layer in task.parameters)
        self._memory: Any = fresh(self._xp, task.learner.optimizer, self._parameters)
        self._updates = 0

    def run(self, batches: NDArray[np.int64], rates: NDArray[np.float64]) -> Updates:
        """Update the parameters on one batch after another."""
        rows: list[tuple[Array, ...]] = []
        with np.errstate(all="ignore"), blas_threads(self._parameters, batches.shape[1]):
            for batch, rate in zip(batches, rates.tolist(), strict=True):
                self._updates += 1
                rows.append(self._learn(self._x[batch], self._y[batch], rate))
        return Updates(*map(np.stack, zip(*rows, strict=True)))

    def diagnose(self, batch: NDArray[np.int64], rate: float) -> Diagnosis:
        """Return what `run` would do next with one batch."""
        with np.errstate(all="ignore"), blas_threads(self._parameters, len(batch)):
            chosen = self._batch(self._x[batch], self._y[batch])
            return diagnose(chosen, self._parameters, self._memory, rate, self._updates + 1)

    def evaluate(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Outcome:
        """Return losses and answers, as the task's evaluation has them."""
        found: list[tuple[Array, Array]] = []
        size = self.samples_at_once
        with np.errstate(all="ignore"), blas_threads(self._parameters, min(len(x), size)):
            for first in range(0, len(x), size):
                rows = slice(first, first + size)
                found.append(self._measure(self._to_run(x[rows]), self._to_run(y[rows])))
        return Outcome(*map(np.concatenate, zip(*found, strict=True)))

    def set_step_size(self, step_size: float) -> None:
        """Infer with another step size from now on."""
        self._learner = replace(self._learner, stepper=with_step_size(self._learner.stepper, step_size))

    def snapshot(self) -> Snapshot:
        """Return where training stands; updates make new arrays, so that nothing needs copying."""
        return Snapshot(self._parameters, self._memory, self._updates)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self._parameters, self._memory, self._updates = snapshot

    def _learn(self, x: NDArray[Any], y: NDArray[Any], rate: float) -> tuple[Array, ...]:
        """Update the parameters with a batch; return its row of `Updates`."""
        learned = self._batch(x, y).learn(self._parameters, self._memory, rate, self._updates)
        self._parameters, self._memory = learned.parameters, learned.memory
        loss = self._learner.inference.energy.loss.value(self._xp, learned.output, y).mean()
        signal = np.array(learned.has_signal, dtype=np.bool_)
        steps = np.int64(self._learner.steps if learned.steps is None else learned.steps)
        return learned.layerwise.mean(axis=1), loss, learned.output, signal, steps

    def _measure(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Array, Array]:
        """Return losses and answers of some samples."""
        return self._evaluation.measure(self._batch(x, y), self._parameters)

    def _batch(self, x: NDArray[Any], y: NDArray[Any]) -> Batch:
        return Batch(self._xp, self._learner, x, y)

    def _to_run(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(array, dtype=self._dtype)
