"""Training on JAX: samples, parameters and optimiser memory stay on the device, updates run in compiled stretches."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pcsim.inference.steppers import step_size_of, with_step_size
from pcsim.learning.augmentation import Moves
from pcsim.learning.diagnosis import Diagnosis
from pcsim.learning.pixels import Samples
from pcsim.learning.trainer import Outcome, Snapshot, TrainingTask, Updates
from pcsim.model.arrays import Array
from pcsim.typing import NDArray
from pcsim_jax import training
from pcsim_jax.arrays import namespace, samples_to_run, settings, to_host, to_run
from pcsim_jax.compiled import Compiler
from pcsim_jax.devices import Devices
from pcsim_jax.memory import memory_errors
from pcsim_jax.number.master import with_master_weights
from pcsim_jax.number.narrow import Narrow
from pcsim_jax.number.pinned import with_pinned_predictions
from pcsim_jax.training import Learning, TrainingProgram, TrainingProgress, at, stored

STRETCH = 256
"""Updates in one compiled stretch at most."""
SAMPLES_AT_ONCE = 4096


class JaxTrainer:
    """A network in training on JAX's device, or on several that share every batch."""

    def __init__(self, task: TrainingTask) -> None:
        self._precision = task.precision
        given = with_master_weights(task.learner) if task.precision == "bfloat16" else task.learner
        learner = replace(
            given,
            inference=with_pinned_predictions(given.inference),
            stepper=with_step_size(given.stepper, 1.0),
        )
        self._step_size = step_size_of(task.learner.stepper)
        devices = Devices.first(task.devices) if task.devices > 1 else None
        self._program = TrainingProgram(namespace(task.precision), learner, task.evaluation, devices)
        self._put = jnp.asarray if devices is None else devices.put
        self._compiler = Compiler(None if devices is None else devices.everywhere)
        with settings(), memory_errors():
            self._x, self._y = samples_to_run(task.x, task.precision, self._put), self._to_run(task.y)
            self._parameters = tuple({k: self._to_run(v) for k, v in layer.items()} for layer in task.parameters)
            self._memory = self._compiler.call(training.begin, self._program, self._parameters)
            augmentation = task.augmentation
            self._black = None if augmentation is None else self._to_run(np.array(augmentation.black))
        self.augmentation, self._image = augmentation, task.x.shape[1:3]
        self._updates = 0

    def run(self, batches: NDArray[np.int64], rates: NDArray[np.float64]) -> Updates:
        """Update the parameters on one batch after another."""
        parts: list[Updates] = []
        with settings(), memory_errors():
            for first in range(0, len(batches), STRETCH):
                parts.append(self._stretch(batches[first : first + STRETCH], rates[first : first + STRETCH]))
        return parts[0] if len(parts) == 1 else Updates(*map(np.concatenate, zip(*parts, strict=True)))

    def _stretch(self, batches: NDArray[np.int64], rates: NDArray[np.float64]) -> Updates:
        count = len(batches)
        order = np.zeros((STRETCH, batches.shape[1]), dtype=np.int32)
        order[:count] = batches
        speeds = np.zeros(STRETCH, dtype=self._rate_dtype)
        speeds[:count] = rates
        moves = self._moves(count, batches.shape[1], STRETCH)
        program = self._sharing(batches.shape[1])
        end: TrainingProgress = self._compiler.call(
            training.update, program, self._learning, order, moves, speeds, np.int32(count)
        )
        self._parameters, self._memory = end.parameters, end.memory
        self._updates += count
        rows = (end.energy, end.loss, end.outputs, end.signal, end.steps)
        return Updates(*(np.asarray(row)[:count] for row in rows))

    def diagnose(self, batch: NDArray[np.int64], rate: float) -> Diagnosis:
        """Return what `run` would do next with one batch."""
        with settings(), memory_errors():
            rows, speed = batch.astype(np.int32), self._rate_dtype.type(rate)
            moves, program = at(self._moves(1, len(batch)), 0), self._sharing(len(batch))
            found: Diagnosis = self._compiler.call(training.diagnosis, program, self._learning, rows, moves, speed)
        return jax.tree.map(np.asarray, found)

    def _sharing(self, batch: int) -> TrainingProgram:
        """Return the program for a batch of so many samples: one that devices cannot share is done on each of them."""
        devices = self._program.devices
        return self._program if devices is None or batch % len(devices) == 0 else replace(self._program, devices=None)

    def _moves(self, count: int, batch: int, rows: int = 1) -> Moves | None:
        """Return what becomes of the images of the next updates, in so many rows, the last of which are not used."""
        if self.augmentation is None:
            return None
        first = self._updates + 1
        each = [self.augmentation.moves(k, batch, self._image) for k in range(first, first + count)]
        each += each[-1:] * (rows - count)
        moves = Moves(*map(np.stack, zip(*each, strict=True)))
        devices = self._sharing(batch).devices
        # Every device counts the samples that it has.
        return moves if devices is None else moves._replace(sample=moves.sample % (batch // len(devices)))

    @property
    def _learning(self) -> Learning:
        step_size = self._rate_dtype.type(self._step_size)
        return Learning(
            self._parameters, self._memory, self._x, self._y, np.int32(self._updates), step_size, self._black
        )

    @property
    def _rate_dtype(self) -> np.dtype[Any]:
        return np.dtype(np.float64 if self._precision == "float64" else np.float32)

    def evaluate(self, x: Samples, y: NDArray[np.float64]) -> Outcome:
        """Return losses and answers, as the task's evaluation has them."""
        found: list[tuple[NDArray[Any], NDArray[Any]]] = []
        shares = 1 if self._program.devices is None else len(self._program.devices)
        with settings(), memory_errors():
            for first in range(0, len(x), SAMPLES_AT_ONCE):
                rows = slice(first, min(first + SAMPLES_AT_ONCE, len(x)))
                part = (self._to_run(_filled(array[rows], shares)) for array in (x, y))
                step_size = self._rate_dtype.type(self._step_size)
                made = self._compiler.call(training.evaluate, self._program, self._parameters, *part, step_size)
                losses, answers = (to_host(array)[: rows.stop - first] for array in made)
                found.append((losses, answers))
        return Outcome(*map(np.concatenate, zip(*found, strict=True)))

    def set_step_size(self, step_size: float) -> None:
        """Infer with another step size from now on; nothing is compiled again."""
        self._step_size = step_size

    @settings()
    def snapshot(self) -> Snapshot:
        """Return where training stands, bfloat16 as it is stored."""
        parameters, memory = jax.tree.map(_kept, (self._parameters, self._memory), is_leaf=_is_narrow)
        return Snapshot(parameters, memory, self._updates)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        with settings(), memory_errors():
            self._parameters, self._memory = jax.tree.map(self._on_device, (snapshot.parameters, snapshot.memory))
        self._updates = snapshot.updates

    def _on_device(self, array: NDArray[Any]) -> Array:
        on_device = self._put(array)
        return Narrow(on_device) if on_device.dtype == jnp.bfloat16 else on_device

    def _to_run(self, array: NDArray[np.float64]) -> Array:
        return to_run(array, self._precision, self._put)


def _filled(array: NDArray[np.float64], shares: int) -> NDArray[np.float64]:
    """Return samples with the last one again and again, until there are as many in every share."""
    lacking = -len(array) % shares
    return np.concatenate([array, np.repeat(array[-1:], lacking, axis=0)]) if lacking else array


def _is_narrow(leaf: Any) -> bool:
    return isinstance(leaf, Narrow)


def _kept(leaf: Any) -> NDArray[Any]:
    return np.asarray(stored(leaf))
