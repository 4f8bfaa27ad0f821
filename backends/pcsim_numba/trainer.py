"""Training with kernels: inference in blocks of samples, the weights' products with BLAS, the core's optimisers."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pcsim_numpy.trainer import NumpyTrainer

from pcsim.learning.evaluation import ForwardPass
from pcsim.learning.learner import AfterEveryStep, follow
from pcsim.model.arrays import Array, Parameters
from pcsim_numba.kernels.entries import RowBuffers
from pcsim_numba.kernels.running_batch import Reached, RunningBatch, limits_of

NOTHING_DUE = np.zeros(0, np.int64)


class NumbaTrainer(NumpyTrainer):
    """A network in training whose inference and forward passes run in kernels; diagnosis is numpy's."""

    samples_at_once: ClassVar[int] = 1024

    def _measure(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Array, Array]:
        if not isinstance(self._evaluation, ForwardPass):
            return super()._measure(x, y)
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

    def _settle(self, samples: RunningBatch) -> int:
        """Infer with fixed weights; return the number of steps that took."""
        steps, limits = self._learner.steps, limits_of(self._learner.stop)
        saved = samples.snapshot() if limits.given else None
        reached = self._proceed(samples, 0, steps)
        if saved is not None and 0 <= reached.step < steps:
            samples.restore(saved)
            self._proceed(samples, 0, reached.step)
            return reached.step
        return steps

    def _learn_after_every_step(self, samples: RunningBatch, rate: float) -> int:
        steps = self._learner.steps
        before = (self._updates - 1) * steps
        for step in range(steps):
            self._proceed(samples, step, step + 1)
            self._parameters, self._memory = self._updated(samples, rate, before + step + 1)
            samples.set_parameters(self._parameters)
        return steps

    def _proceed(self, samples: RunningBatch, first: int, last: int) -> Reached:
        limits = limits_of(self._learner.stop)
        return samples.proceed(first, last, NOTHING_DUE, self._no_rows, samples.nobody_arrived, limits)

    def _updated(self, samples: RunningBatch, rate: float, number: int) -> tuple[tuple[Parameters, ...], Any]:
        optimizer, clip, gradient = self._learner.optimizer, self._learner.clip, samples.gradient()
        return follow(self._xp, optimizer, clip, self._parameters, gradient, self._memory, rate, number)

    @property
    def _no_rows(self) -> RowBuffers:
        layers = np.zeros((0, 0, 0))
        return RowBuffers(layers, layers, np.zeros((0, 0), self._dtype), np.zeros((0, 0), self._dtype))

    def _samples(self, x: NDArray[Any], y: NDArray[Any]) -> RunningBatch:
        learner = self._learner
        weights_move = isinstance(learner.rule, AfterEveryStep)
        return RunningBatch(learner.inference, learner.stepper, self._parameters, x, y, weights_move)
