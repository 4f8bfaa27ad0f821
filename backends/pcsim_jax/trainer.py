"""Training on JAX: samples, parameters and optimiser memory stay on the device, updates run in compiled stretches."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pcsim.inference.steppers import step_size_of, with_step_size
from pcsim.learning.augmentation import Moves, moved
from pcsim.learning.batch import Batch
from pcsim.learning.diagnosis import Diagnosis, diagnose
from pcsim.learning.evaluation import Scoring
from pcsim.learning.learner import Learner, fresh
from pcsim.learning.pixels import Pixels, Samples
from pcsim.learning.trainer import Outcome, Snapshot, TrainingTask, Updates
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.typing import NDArray
from pcsim_jax.arrays import namespace, samples_to_run, settings, to_host, to_run
from pcsim_jax.compiled import Compiler
from pcsim_jax.loop import compiled_loop
from pcsim_jax.memory import memory_errors
from pcsim_jax.number.master import MasterWeights
from pcsim_jax.number.narrow import Narrow
from pcsim_jax.number.pinned import with_pinned_predictions
from pcsim_jax.program import number

STRETCH = 256
"""Updates in one compiled stretch at most."""
SAMPLES_AT_ONCE = 4096


@dataclass(frozen=True)
class TrainingProgram:
    """What is compiled of training: everything but arrays, numbers of updates and the step size of inference."""

    xp: Namespace
    learner: Learner
    evaluation: Scoring


class Learning(NamedTuple):
    """What a compiled function is given of training, on the device: all samples, the updates made, the step size."""

    parameters: tuple[Parameters, ...]
    memory: Any
    x: Array | Pixels
    y: Array
    updates: Array
    step_size: Array
    black: Array | None

    def batch(self, program: TrainingProgram, rows: Array, moves: Moves | None) -> Batch:
        """Return the learner before some of the samples, moved so."""
        x = self.x[rows]
        x = x if moves is None else moved(program.xp, x, moves, self.black)
        return _batch(program, x, self.y[rows], self.step_size)


class TrainingProgress(NamedTuple):
    """Where a stretch stands, and what its updates left behind, the first `done` rows."""

    parameters: tuple[Parameters, ...]
    memory: Any
    done: Array
    energy: Array
    loss: Array
    outputs: Array
    signal: Array
    steps: Array


class JaxTrainer:
    """A network in training on JAX's device."""

    def __init__(self, task: TrainingTask) -> None:
        self._precision = task.precision
        optimizer = task.learner.optimizer
        learner = replace(
            task.learner,
            inference=with_pinned_predictions(task.learner.inference),
            optimizer=MasterWeights(optimizer) if task.precision == "bfloat16" else optimizer,
            stepper=with_step_size(task.learner.stepper, 1.0),
        )
        self._step_size = step_size_of(task.learner.stepper)
        self._program = TrainingProgram(namespace(task.precision), learner, task.evaluation)
        self._compiler = Compiler()
        with settings(), memory_errors():
            self._x, self._y = samples_to_run(task.x, task.precision), to_run(task.y, task.precision)
            self._parameters = tuple(
                {k: to_run(v, task.precision) for k, v in layer.items()} for layer in task.parameters
            )
            self._memory = self._compiler.call(_begin, self._program, self._parameters)
            augmentation = task.augmentation
            self._black = None if augmentation is None else to_run(np.array(augmentation.black), task.precision)
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
        end: TrainingProgress = self._compiler.call(
            _update, self._program, self._learning, order, moves, speeds, np.int32(count)
        )
        self._parameters, self._memory = end.parameters, end.memory
        self._updates += count
        rows = (end.energy, end.loss, end.outputs, end.signal, end.steps)
        return Updates(*(np.asarray(row)[:count] for row in rows))

    def diagnose(self, batch: NDArray[np.int64], rate: float) -> Diagnosis:
        """Return what `run` would do next with one batch."""
        with settings(), memory_errors():
            rows, speed = batch.astype(np.int32), self._rate_dtype.type(rate)
            moves = _at(self._moves(1, len(batch)), 0)
            found: Diagnosis = self._compiler.call(_diagnose, self._program, self._learning, rows, moves, speed)
        return jax.tree.map(np.asarray, found)

    def _moves(self, count: int, batch: int, rows: int = 1) -> Moves | None:
        """Return what becomes of the images of the next updates, in so many rows, the last of which are not used."""
        if self.augmentation is None:
            return None
        first = self._updates + 1
        each = [self.augmentation.moves(k, batch, self._image) for k in range(first, first + count)]
        each += each[-1:] * (rows - count)
        return Moves(*map(np.stack, zip(*each, strict=True)))

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
        with settings(), memory_errors():
            for first in range(0, len(x), SAMPLES_AT_ONCE):
                rows = slice(first, first + SAMPLES_AT_ONCE)
                part = (to_run(array[rows], self._precision) for array in (x, y))
                losses, answers = self._compiler.call(
                    _evaluate, self._program, self._parameters, *part, self._rate_dtype.type(self._step_size)
                )
                found.append((to_host(losses), to_host(answers)))
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
            self._parameters, self._memory = jax.tree.map(_on_device, (snapshot.parameters, snapshot.memory))
        self._updates = snapshot.updates


def _is_narrow(leaf: Any) -> bool:
    return isinstance(leaf, Narrow)


def _stored(leaf: Any) -> Array:
    return leaf.stored if isinstance(leaf, Narrow) else leaf


def _kept(leaf: Any) -> NDArray[Any]:
    return np.asarray(_stored(leaf))


def _on_device(array: NDArray[Any]) -> Array:
    on_device = jnp.asarray(array)
    return Narrow(on_device) if on_device.dtype == jnp.bfloat16 else on_device


def _begin(program: TrainingProgram, parameters: tuple[Parameters, ...]) -> Any:
    return fresh(program.xp, program.learner.optimizer, parameters)


def _batch(program: TrainingProgram, x: Array, y: Array, step_size: Array) -> Batch:
    """Return the learner before some samples, with a traced step size."""
    learner = replace(program.learner, stepper=with_step_size(program.learner.stepper, step_size))
    return Batch(program.xp, learner, x, y, compiled_loop)


def _evaluate(
    program: TrainingProgram, parameters: tuple[Parameters, ...], x: Array, y: Array, step_size: Array
) -> tuple[Array, Array]:
    return program.evaluation.measure(_batch(program, x, y, step_size), parameters)


def _at(moves: Moves | None, i: Any) -> Moves | None:
    """Return what becomes of the images of one update of several."""
    return None if moves is None else Moves(*(places[i] for places in moves))


def _diagnose(program: TrainingProgram, now: Learning, rows: Array, moves: Moves | None, rate: Array) -> Diagnosis:
    return diagnose(now.batch(program, rows, moves), now.parameters, now.memory, rate, number(now.updates + 1))


def _update(
    program: TrainingProgram, start: Learning, order: Array, moves: Moves | None, rates: Array, count: Array
) -> TrainingProgress:
    """Go through the first `count` rows of `order` (updates, batch)."""

    def one(now: TrainingProgress) -> TrainingProgress:
        i = now.done
        batch = start.batch(program, order[i], _at(moves, i))
        xp, learner = batch.xp, batch.learner
        learned = batch.learn(now.parameters, now.memory, rates[i], number(start.updates + i + 1))
        loss = learner.inference.energy.loss.value(xp, learned.output, batch.y).mean()
        return TrainingProgress(
            learned.parameters,
            learned.memory,
            i + 1,
            now.energy.at[i].set(learned.layerwise.mean(axis=1)),
            now.loss.at[i].set(loss),
            now.outputs.at[i].set(_stored(learned.output).astype(now.outputs.dtype)),
            now.signal.at[i].set(jnp.stack(learned.has_signal)),
            now.steps.at[i].set(learner.steps if learned.steps is None else learned.steps),
        )

    layers, (rows, batch) = len(start.parameters), order.shape
    empty = TrainingProgress(
        start.parameters,
        start.memory,
        jnp.int32(0),
        jnp.zeros((rows, layers), jnp.float64),
        jnp.zeros(rows, jnp.float64),
        jnp.zeros((rows, batch, start.y.shape[1]), jnp.float64 if start.y.dtype == jnp.float64 else jnp.float32),
        jnp.zeros((rows, layers), jnp.bool_),
        jnp.zeros(rows, jnp.int64),
    )
    return jax.lax.while_loop(lambda now: now.done < count, one, empty)
