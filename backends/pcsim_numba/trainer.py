"""Training with kernels: inference in blocks of samples, the weights' products with BLAS, the core's optimisers."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.threads import blas_threads

from pcsim.arrays import Array, Parameters
from pcsim.learning.diagnosis import Diagnosis, diagnose
from pcsim.learning.evaluation import ForwardPass
from pcsim.learning.learner import AfterEveryStep, follow, fresh
from pcsim.learning.repeat import python_repeat
from pcsim.learning.trainer import Outcome, Snapshot, TrainingTask, Updates
from pcsim_numba.program import Rows
from pcsim_numba.samples import Reached, Samples, limits_of

DTYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}
SAMPLES_AT_ONCE = 1024
NOTHING_DUE = np.zeros(0, np.int64)


class NumbaTrainer:
    """A network in training in float32 or float64."""

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
        """Return what `run` would do next with one batch, by the core's own lines."""
        with np.errstate(all="ignore"), blas_threads(self._parameters, len(batch)):
            return diagnose(
                self._xp,
                self._learner,
                self._parameters,
                self._memory,
                self._x[batch],
                self._y[batch],
                rate,
                self._updates + 1,
                python_repeat,
            )

    def evaluate(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Outcome:
        """Return losses and answers, as the task's evaluation has them."""
        found: list[tuple[Array, Array]] = []
        with np.errstate(all="ignore"), blas_threads(self._parameters, min(len(x), SAMPLES_AT_ONCE)):
            for first in range(0, len(x), SAMPLES_AT_ONCE):
                rows = slice(first, first + SAMPLES_AT_ONCE)
                found.append(self._measure(self._to_run(x[rows]), self._to_run(y[rows])))
        return Outcome(*map(np.concatenate, zip(*found, strict=True)))

    def snapshot(self) -> Snapshot:
        """Return where training stands; updates make new arrays, so that nothing needs copying."""
        return Snapshot(self._parameters, self._memory, self._updates)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        self._parameters, self._memory, self._updates = snapshot

    def _measure(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Array, Array]:
        if not isinstance(self._evaluation, ForwardPass):
            return self._evaluation.measure(self._xp, self._learner, self._parameters, x, y, python_repeat)
        samples = self._samples(x, y)
        samples.begin(None)
        outputs = samples.states()[-1]
        return self._learner.inference.energy.loss.value(self._xp, outputs, y), outputs

    def _learn(self, x: NDArray[Any], y: NDArray[Any], rate: float) -> tuple[Array, ...]:
        """Update the parameters with a batch; return its row of `Updates`."""
        samples = self._samples(x, y)
        samples.begin(None)
        output, before = samples.states()[-1], self._parameters
        if isinstance(self._learner.rule, AfterEveryStep):
            steps = self._learn_after_every_step(samples, rate)
        else:
            steps = self._settle(samples)
            self._parameters, self._memory = self._updated(samples, rate, self._updates)
        network = self._learner.inference.energy.network
        if network.has_free_input:
            # What is shown is the output of the inferred input, with the weights that it was inferred with.
            known = self._parameters if isinstance(self._learner.rule, AfterEveryStep) else before
            output = network.outputs(self._xp, known, samples.states()[0])
        loss = self._learner.inference.energy.loss.value(self._xp, output, y).mean()
        signal = np.array([error.any() for error in samples.errors()], dtype=np.bool_)
        return samples.layerwise().mean(axis=1), loss, output, signal, np.int64(steps)

    def _settle(self, samples: Samples) -> int:
        """Infer with fixed weights; return the number of steps that took."""
        steps, limits = self._learner.steps, limits_of(self._learner.stop)
        saved = samples.saved() if limits.given else None
        reached = self._proceed(samples, 0, steps)
        if saved is not None and 0 <= reached.step < steps:
            samples.restore(saved)
            self._proceed(samples, 0, reached.step)
            return reached.step
        return steps

    def _learn_after_every_step(self, samples: Samples, rate: float) -> int:
        steps = self._learner.steps
        before = (self._updates - 1) * steps
        for step in range(steps):
            self._proceed(samples, step, step + 1)
            self._parameters, self._memory = self._updated(samples, rate, before + step + 1)
            samples.give(self._parameters)
        return steps

    def _proceed(self, samples: Samples, first: int, last: int) -> Reached:
        limits = limits_of(self._learner.stop)
        return samples.proceed(first, last, NOTHING_DUE, self._no_rows, samples.nobody_arrived, limits)

    def _updated(self, samples: Samples, rate: float, number: int) -> tuple[tuple[Parameters, ...], Any]:
        optimizer, clip, gradient = self._learner.optimizer, self._learner.clip, samples.gradient()
        return follow(self._xp, optimizer, clip, self._parameters, gradient, self._memory, rate, number)

    @property
    def _no_rows(self) -> Rows:
        layers = np.zeros((0, 0, 0))
        return Rows(layers, layers, np.zeros((0, 0), self._dtype), np.zeros((0, 0), self._dtype))

    def _samples(self, x: NDArray[Any], y: NDArray[Any]) -> Samples:
        learner = self._learner
        weights_move = isinstance(learner.rule, AfterEveryStep)
        return Samples(learner.inference, learner.stepper, self._parameters, x, y, weights_move)

    def _to_run(self, array: NDArray[Any]) -> NDArray[Any]:
        return np.ascontiguousarray(array, dtype=self._dtype)
