"""Training on a GPU: samples, parameters and memory stay there; inference in graphs, the core's optimisers."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim.inference.steppers import with_step_size
from pcsim.learning.batch import Batch
from pcsim.learning.diagnosis import Diagnosis, diagnose
from pcsim.learning.learner import AfterEveryStep, follow, fresh
from pcsim.learning.trainer import Outcome, Snapshot, TrainingTask, Updates
from pcsim.model.arrays import Array, Parameters
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.plan import plan
from pcsim_cupy.samples import RunningBatch, packed_parameters
from pcsim_cupy.stacks import goes_together, join, split
from pcsim_cupy.stop_monitor import Rows, StopMonitor

SAMPLES_AT_ONCE = 4096
"""In an evaluation."""


class CupyTrainer:
    """A network in training in float32 or float64; diagnosis and evaluation run the core's lines on the device."""

    def __init__(self, task: TrainingTask, device: Device) -> None:
        self._device, self._xp, self._plan = device, device.namespace, plan(task.learner.inference.energy)
        self._together = goes_together(task.learner.optimizer)
        self._learner, self._evaluation = task.learner, task.evaluation
        with device.active():
            self._x, self._y = self._to_run(task.x), self._to_run(task.y)
            self._take(packed_parameters(device, task.parameters))
            self._memory: Any = fresh(self._xp, task.learner.optimizer, self._learned)
        self._updates = 0
        self._batches: dict[int, tuple[RunningBatch, Callable[[], None]]] = {}

    def run(self, batches: NDArray[np.int64], rates: NDArray[np.float64]) -> Updates:
        """Update the parameters on one batch after another."""
        rows: list[tuple[Array, ...]] = []
        with self._device.active():
            for batch, rate in zip(batches, rates.tolist(), strict=True):
                self._updates += 1
                rows.append(self._learn(*self._chosen(batch), rate))
            energy, loss, outputs, signal = (self._device.get(self._xp.stack(part)) for part in _columns(rows, 4))
        return Updates(energy, loss, outputs, signal, np.array([row[4] for row in rows], np.int64))

    def diagnose(self, batch: NDArray[np.int64], rate: float) -> Diagnosis:
        """Return what `run` would do next with one batch."""
        with self._device.active():
            x, y = self._chosen(batch)
            parameters, memory, number = self._parameters, self._by_layer(self._memory), self._updates + 1
            found = diagnose(Batch(self._xp, self._learner, x, y), parameters, memory, rate, number)
            return _mapped(self._device.get, found)

    def evaluate(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Outcome:
        """Return losses and answers, as the task's evaluation has them."""
        found: list[tuple[NDArray[Any], ...]] = []
        with self._device.active():
            for first in range(0, len(x), SAMPLES_AT_ONCE):
                rows = slice(first, first + SAMPLES_AT_ONCE)
                chosen = Batch(self._xp, self._learner, self._to_run(x[rows]), self._to_run(y[rows]))
                measured = self._evaluation.measure(chosen, self._parameters)
                found.append(tuple(map(self._device.get, measured)))
        return Outcome(*map(np.concatenate, zip(*found, strict=True)))

    def set_step_size(self, step_size: float) -> None:
        """Infer with another step size from now on."""
        self._learner = replace(self._learner, stepper=with_step_size(self._learner.stepper, step_size))
        with self._device.active():
            for samples, _ in self._batches.values():
                samples.set_step_size(step_size)

    def snapshot(self) -> Snapshot:
        """Return where training stands."""
        with self._device.active():
            kept = self._parameters, self._by_layer(self._memory)
            parameters, memory = _mapped(self._device.get, kept)
        return Snapshot(parameters, memory, self._updates)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        with self._device.active():
            parameters, memory = _mapped(self._device.put, (snapshot.parameters, snapshot.memory))
            self._take(parameters)
            self._memory = join(self._xp, self._plan, memory) if self._together else memory
        self._updates = snapshot.updates

    def _learn(self, x: Array, y: Array, rate: float) -> tuple[Any, ...]:
        """Update the parameters with a batch; return its row of `Updates`."""
        learner, before = self._learner, self._parameters
        samples, step = self._samples(x, y)
        output = samples.states(samples.plan.count - 1).copy()
        if isinstance(learner.rule, AfterEveryStep):
            steps = learner.steps
            for number in range(1, steps + 1):
                step()
                samples.glance()
                self._update(samples, len(x), rate, (self._updates - 1) * steps + number)
                self._give(samples)
        else:
            steps = self._settle(samples, step)
            samples.glance()
            self._update(samples, len(x), rate, self._updates)
        energy, network = learner.inference.energy, learner.inference.energy.network
        if network.has_free_input:
            # What is shown is the output of the inferred input, with the weights that it was inferred with.
            known = self._parameters if isinstance(learner.rule, AfterEveryStep) else before
            output = network.outputs(self._xp, known, samples.states(0))
        loss = energy.loss.value(self._xp, output, y).mean()
        energies, _, presence = (array[0] for array in samples.rows(steps, 1))
        return energies.mean(axis=1), loss, output, (presence != 0).any(axis=1), steps

    def _settle(self, samples: RunningBatch, step: Callable[[], None]) -> int:
        """Infer with fixed weights; return the number of steps that took."""
        steps, rule, first = self._learner.steps, self._learner.stop, 0
        stop_monitor = StopMonitor(samples.plan.count, samples.buffers.batch, rule)
        while first < steps:
            count = min(steps - first, samples.room(first))
            if rule is not None:
                samples.save(0)
            for _ in range(count):
                step()
            rows = None if rule is None else Rows(*map(self._device.get, samples.rows(first, count)))
            met = () if rows is None else (k for k in range(count) if stop_monitor.is_met(first + k, rows.at(k)))
            if (last := next(iter(met), None)) is not None:
                samples.restore(0, first)
                for _ in range(last):
                    step()
                return first + last
            first += count
        return steps

    def _update(self, samples: RunningBatch, batch: int, rate: float, number: int) -> None:
        scale, learner = -1.0 / batch, self._learner
        found = samples.gradient() if self._together else split(self._plan, samples.gradient())
        gradient = tuple({name: scale * value for name, value in own.items()} for own in found)
        known = self._learned, gradient, self._memory
        self._learned, self._memory = follow(self._xp, learner.optimizer, learner.clip, *known, rate, number)

    @property
    def _parameters(self) -> tuple[Parameters, ...]:
        return self._by_layer(self._learned)

    def _by_layer(self, tree: Any) -> Any:
        return split(self._plan, tree) if self._together else tree

    def _take(self, parameters: tuple[Parameters, ...]) -> None:
        """Learn on from parameters by layer, stacked where the optimiser does not mind."""
        self._learned = join(self._xp, self._plan, parameters) if self._together else parameters

    def _give(self, samples: RunningBatch) -> None:
        if self._together:
            samples.give_stacks(self._learned)
        else:
            samples.set_parameters(self._learned)

    def _samples(self, x: Array, y: Array) -> tuple[RunningBatch, Callable[[], None]]:
        """Return the samples of a batch at their start, and a step of theirs as a graph, captured once a size."""
        learner, size = self._learner, len(x)
        is_new = size not in self._batches
        if is_new:
            measured = learner.stop is not None and learner.stop.grad_norm is not None
            moves = isinstance(learner.rule, AfterEveryStep)
            samples = RunningBatch(
                self._device, learner.inference, learner.stepper, size, measured=measured, weights_move=moves
            )
        else:
            samples = self._batches[size][0]
        self._give(samples)
        samples.clamp(x, y)
        samples.begin()
        if is_new:
            self._batches[size] = samples, samples.captured_step()
        return self._batches[size]

    def _chosen(self, batch: NDArray[np.int64]) -> tuple[Array, Array]:
        numbers = self._device.put(batch)
        return self._x[numbers], self._y[numbers]

    def _to_run(self, array: NDArray[Any]) -> Array:
        return self._device.put(self._device.storage.packed(array))


def _columns(rows: list[tuple[Any, ...]], count: int) -> list[list[Any]]:
    return [[row[k] for row in rows] for k in range(count)]


def _mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """Return the same arrangement of tuples and dictionaries with a function of every array in it."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {name: _mapped(function, part) for name, part in tree.items()}
    if isinstance(tree, tuple):
        parts = [_mapped(function, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return function(tree)
