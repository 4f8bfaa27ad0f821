"""Training with kernels: inference in blocks of samples, the weights' products with BLAS, the core's optimisers."""

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.trainer import NumpyTrainer

from pcsim.inference.state import evaluate_states
from pcsim.inference.stopping import StopRule
from pcsim.learning.evaluation import ForwardPass
from pcsim.learning.host_trainer import Row
from pcsim.learning.learner import Learner
from pcsim.model.arrays import Array, Parameters
from pcsim.typing import NDArray
from pcsim_numba.kernels.entries import RowBuffers
from pcsim_numba.kernels.running_batch import Limits, Reached, RunningBatch, limits_of

NOTHING_DUE = np.zeros(0, np.int64)


class NumbaTrainer(NumpyTrainer):
    """A network in training whose inference and forward passes run in kernels; diagnosis is numpy's."""

    samples_at_once: ClassVar[int] = 1024

    def _measure(self, x: NDArray[Any], y: NDArray[Any]) -> tuple[Array, Array]:
        if not isinstance(self._evaluation, ForwardPass):
            return super()._measure(x, y)
        outputs = _Batch(self._learner, self._learned, x, y).states(len(self._learned) - 1)
        return self._learner.inference.energy.bare.loss.value(self._xp, outputs, y), outputs

    def _learn(self, x: NDArray[Any], y: NDArray[Any], rate: float) -> Row:
        return self._learn_from(_Batch(self._learner, self._learned, x, y), y, rate)


class _Batch(RunningBatch):
    """A batch of samples at its start, which leaves no rows."""

    def __init__(self, learner: Learner, parameters: tuple[Parameters, ...], x: NDArray[Any], y: NDArray[Any]) -> None:
        moves = learner.updates_every_step
        super().__init__(learner.inference, learner.stepper, parameters, x, y, moves)
        layers, units = np.zeros((0, 0, 0)), np.zeros((0, 0), x.dtype)
        self._no_rows = RowBuffers(layers, layers, units, units)
        self._learner, self._parameters, self._x, self._y = learner, parameters, x, y
        self.begin(None)
        self._forward = self._every_state() if learner.recalls_forward_pass else []

    def advance(self, step: int) -> None:
        self._go(step - 1, step, Limits())

    def settle(self, steps: int, rule: StopRule | None) -> int:
        limits = limits_of(rule)
        saved = self.snapshot() if limits.given else None
        reached = self._go(0, steps, limits)
        if saved is not None and 0 <= reached.step < steps:
            self.restore(saved)
            self._go(0, reached.step, limits)
            return reached.step
        return steps

    def gradient(self) -> tuple[Parameters, ...]:
        """Return the batch mean of ∂E/∂θ; where it is against the forward pass, against the kernels' own."""
        if not self._forward:
            return super().gradient()
        xp, energy = NumpyNamespace(), self._energy
        clamped = self._learner.inference.clamp(xp, self._parameters, self._x, self._y)
        *states, _ = self._every_state()
        *before, output = self._forward
        errors = (*(s - p for s, p in zip(states, before, strict=True)), energy.loss.error(xp, output, self._y))
        point = evaluate_states(xp, energy, clamped, tuple(before))
        return energy.parameter_gradient(xp, clamped, replace(point, errors=errors))

    def _every_state(self) -> list[NDArray[Any]]:
        """Return the states of every layer, the output's last."""
        return [self.states(i) for i in range(len(self._parameters))]

    def seen(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        energies = self.layerwise()
        signal = np.array([self.errors(i).any() for i in range(len(energies))], dtype=np.bool_)
        return energies.mean(axis=1), signal

    def _go(self, first: int, last: int, limits: Limits) -> Reached:
        return self.proceed(first, last, NOTHING_DUE, self._no_rows, self.nobody_arrived, limits)
