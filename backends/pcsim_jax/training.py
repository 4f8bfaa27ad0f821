"""What is compiled of training: a stretch of updates, the diagnosis of one, an evaluation."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from pcsim.inference.steppers import with_step_size
from pcsim.learning.augmentation import Moves, moved
from pcsim.learning.batch import Batch
from pcsim.learning.diagnosis import Diagnosis, diagnose
from pcsim.learning.evaluation import Scoring
from pcsim.learning.learner import Learner, fresh
from pcsim.learning.pixels import Pixels
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim_jax.devices import WHOLE, Devices, gathered, of_each, shared
from pcsim_jax.loop import compiled_loop
from pcsim_jax.number.narrow import Narrow
from pcsim_jax.program import number


@dataclass(frozen=True)
class TrainingProgram:
    """What is compiled of training: everything but arrays, numbers of updates and the step size of inference.

    `devices` share every batch, None where all is done on one, or on each of them all the same.
    """

    xp: Namespace
    learner: Learner
    evaluation: Scoring
    devices: Devices | None = None

    def batch(self, x: Array, y: Array, step_size: Array) -> Batch:
        """Return the learner before some samples, with a traced step size."""
        learner = replace(self.learner, stepper=with_step_size(self.learner.stepper, step_size))
        averaged = None if self.devices is None else self.devices.averaged
        return Batch(self.xp, learner, x, y, compiled_loop, averaged)


class Learning(NamedTuple):
    """What a compiled function is given of training, on the device: all samples, the updates made, the step size."""

    parameters: tuple[Parameters, ...]
    memory: Any
    x: Array | Pixels
    y: Array
    updates: Array
    step_size: Array
    black: Array | None

    def batch(self, program: TrainingProgram, rows: Array, moves: Moves | None, update: Array) -> Batch:
        """Return the learner before some of the samples, moved so, in an update."""
        x = self.x[rows]
        x = x if moves is None else moved(program.xp, x, moves, self.black)
        batch = program.batch(x, self.y[rows], self.step_size)
        return replace(batch, learner=batch.learner.drawing_for(rows, update))


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

    def of_all(self) -> "TrainingProgress":
        """Return the same of whole batches, where this is of a device's share."""
        return self._replace(
            energy=of_each(self.energy).mean(axis=0),
            loss=of_each(self.loss).mean(axis=0),
            outputs=gathered(self.outputs, axis=1),
            signal=of_each(self.signal).any(axis=0),
            # A search rests where it has found what it looks for; others take the same steps everywhere.
            steps=of_each(self.steps).max(axis=0),
        )


def begin(program: TrainingProgram, parameters: tuple[Parameters, ...]) -> Any:
    """Return what the optimiser remembers before the first update."""
    return fresh(program.xp, program.learner, parameters)


def evaluate(
    program: TrainingProgram, parameters: tuple[Parameters, ...], x: Array, y: Array, step_size: Array
) -> tuple[Array, Array]:
    """Return the losses and answers of some samples, which devices share."""

    def measured(parameters: tuple[Parameters, ...], x: Array, y: Array, step_size: Array) -> tuple[Array, Array]:
        return program.evaluation.measure(program.batch(x, y, step_size), parameters)

    def of_all(*arguments: Any) -> tuple[Array, Array]:
        return jax.tree.map(gathered, measured(*arguments))

    if program.devices is None:
        return measured(parameters, x, y, step_size)
    return program.devices.apart(of_all, WHOLE, shared(), shared(), WHOLE)(parameters, x, y, step_size)


def at(moves: Moves | None, i: Any) -> Moves | None:
    """Return what becomes of the images of one update of several."""
    return None if moves is None else Moves(*(places[i] for places in moves))


def diagnosis(program: TrainingProgram, now: Learning, rows: Array, moves: Moves | None, rate: Array) -> Diagnosis:
    """Return what the next update does with the samples in some rows."""

    def one(now: Learning, rows: Array, moves: Moves | None, rate: Array) -> Diagnosis:
        update = number(now.updates + 1)
        return diagnose(now.batch(program, rows, moves, update), now.parameters, now.memory, rate, update)

    if program.devices is None:
        return one(now, rows, moves, rate)
    return program.devices.apart(one, WHOLE, shared(), shared(), WHOLE)(now, rows, moves, rate)


def update(
    program: TrainingProgram, start: Learning, order: Array, moves: Moves | None, rates: Array, count: Array
) -> TrainingProgress:
    """Go through the first `count` rows of `order` (updates, batch)."""
    if program.devices is None:
        return _updated(program, start, order, moves, rates, count)

    def of_all(*arguments: Any) -> TrainingProgress:
        return _updated(program, *arguments).of_all()

    places = WHOLE, shared(1), shared(1), WHOLE, WHOLE
    return program.devices.apart(of_all, *places)(start, order, moves, rates, count)


def _updated(
    program: TrainingProgram, start: Learning, order: Array, moves: Moves | None, rates: Array, count: Array
) -> TrainingProgress:
    """Do as `update`, on one device."""

    def one(now: TrainingProgress) -> TrainingProgress:
        i = now.done
        update = number(start.updates + i + 1)
        batch = start.batch(program, order[i], at(moves, i), update)
        xp, learner = batch.xp, batch.learner
        learned = batch.learn(now.parameters, now.memory, rates[i], update)
        loss = learner.inference.energy.bare.loss.value(xp, learned.output, batch.y).mean()
        return TrainingProgress(
            learned.parameters,
            learned.memory,
            i + 1,
            now.energy.at[i].set(learned.layerwise.mean(axis=1)),
            now.loss.at[i].set(loss),
            now.outputs.at[i].set(stored(learned.output).astype(now.outputs.dtype)),
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


def stored(leaf: Any) -> Array:
    """Return an array as it is stored."""
    return leaf.stored if isinstance(leaf, Narrow) else leaf
