"""Training from the host, one update after another: what is the same whatever settles the samples of a batch."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np

from pcsim.inference.steppers import with_step_size
from pcsim.inference.stopping import StopRule
from pcsim.learning.augmentation import Moves, moved
from pcsim.learning.batch import Batch
from pcsim.learning.diagnosis import Diagnosis, diagnose
from pcsim.learning.learner import fresh
from pcsim.learning.pixels import Pixels, Samples
from pcsim.learning.trainer import Outcome, TrainingTask, Updates
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.typing import NDArray

Row = tuple[Array, Array, Array, Array, int]
"""That of one update in `Updates`."""


@runtime_checkable
class Settling(Protocol):
    """A batch of samples with kernels of its own, at its start."""

    def states(self, i: int) -> Array:
        """Return the states (batch, units) of layer i, the output where that is the last."""
        ...

    def advance(self, step: int) -> None:
        """Take step number `step` = 1, 2, …, and look at where it leads."""
        ...

    def settle(self, steps: int, rule: StopRule | None) -> int:
        """Infer with fixed weights for at most so many steps; return how many that were."""
        ...

    def gradient(self) -> Any:
        """Return the batch mean of ∂E/∂θ, arranged as what is learned."""
        ...

    def set_parameters(self, learned: Any, /) -> None:
        """Go on with other parameters."""
        ...

    def seen(self) -> tuple[Array, Array]:
        """Return the batch means of the energies, and whether there were errors, (layers,) each."""
        ...


class HostTrainer(ABC):
    """A network in training: what is learned and its optimiser's memory are arranged as the backend likes."""

    samples_at_once: ClassVar[int]
    """In an evaluation."""

    def __init__(self, xp: Namespace, task: TrainingTask, learned: Any) -> None:
        self._xp, self._learner, self._evaluation = xp, task.learner, task.evaluation
        self._x = task.x.on(self._put, self._to_run) if isinstance(task.x, Pixels) else self._to_run(task.x)
        self._y = self._to_run(task.y)
        self.augmentation = task.augmentation
        self._black = None if task.augmentation is None else self._to_run(np.array(task.augmentation.black))
        self._learned, self._updates = learned, 0
        self._memory: Any = fresh(xp, task.learner, learned)

    def run(self, batches: NDArray[np.int64], rates: NDArray[np.float64]) -> Updates:
        """Update the parameters on one batch after another."""
        rows: list[Row] = []
        with self._computing(batches.shape[1]):
            for batch, rate in zip(batches, rates.tolist(), strict=True):
                self._updates += 1
                self._learner = self._learner.drawing_for(batch, self._updates)
                rows.append(self._learn(*self._chosen(batch, self._updates), rate))
            *columns, steps = zip(*rows, strict=True)
            return Updates(*map(self._stacked, columns), steps=np.array(steps, np.int64))

    def diagnose(self, batch: NDArray[np.int64], rate: float) -> Diagnosis:
        """Return what `run` would do next with one batch."""
        with self._computing(len(batch)):
            known, number = (self._parameters, self._by_layer(self._memory)), self._updates + 1
            self._learner = self._learner.drawing_for(batch, number)
            return self._on_host(diagnose(self._batch(*self._chosen(batch, number)), *known, rate, number))

    def evaluate(self, x: Samples, y: NDArray[np.float64]) -> Outcome:
        """Return losses and answers, as the task's evaluation has them."""
        found: list[tuple[NDArray[Any], NDArray[Any]]] = []
        size = self.samples_at_once
        with self._computing(min(len(x), size)):
            for first in range(0, len(x), size):
                rows = slice(first, first + size)
                found.append(self._on_host(self._measure(self._to_run(x[rows]), self._to_run(y[rows]))))
        return Outcome(*map(np.concatenate, zip(*found, strict=True)))

    def set_step_size(self, step_size: float) -> None:
        """Infer with another step size from now on."""
        self._learner = replace(self._learner, stepper=with_step_size(self._learner.stepper, step_size))

    @abstractmethod
    def _computing(self, samples: int) -> AbstractContextManager[Any]:
        """Return a context for computing on so many samples at once."""

    @abstractmethod
    def _to_run(self, array: NDArray[Any]) -> Array: ...

    @abstractmethod
    def _stacked(self, column: tuple[Array, ...]) -> NDArray[Any]:
        """Return arrays of the run in one on the host."""

    @abstractmethod
    def _learn(self, x: Array, y: Array, rate: float) -> Row:
        """Update the parameters with a batch."""

    def _chosen(self, batch: NDArray[np.int64], update: int) -> tuple[Array, Array]:
        """Return training samples by their numbers, as that update is to see them."""
        rows = self._put(batch)
        x, y = self._x[rows], self._y[rows]
        if self.augmentation is not None:
            moves = self.augmentation.moves(update, len(batch), x.shape[1:3])
            x = moved(self._xp, x, Moves(*map(self._put, moves)), self._black)
        return x, y

    def _put(self, array: NDArray[Any]) -> Array:
        """Return an array as it is, where the run is."""
        return array

    def _on_host(self, tree: Any) -> Any:
        return tree

    def _by_layer(self, tree: Any) -> Any:
        return tree

    @property
    def _parameters(self) -> tuple[Parameters, ...]:
        return self._by_layer(self._learned)

    def _measure(self, x: Array, y: Array) -> tuple[Array, Array]:
        return self._evaluation.measure(self._batch(x, y), self._parameters)

    def _batch(self, x: Array, y: Array) -> Batch:
        return Batch(self._xp, self._learner, x, y)

    def _learn_from(self, batch: Settling, y: Array, rate: float) -> Row:
        """Update the parameters with a batch that has kernels of its own."""
        learner, before = self._learner, self._parameters
        energy, network = learner.inference.energy, learner.inference.energy.network
        output = batch.states(len(network.layers) - 1)
        every_step, steps = learner.updates_every_step, learner.steps
        if every_step:
            for step in range(1, steps + 1):
                batch.advance(step)
                self._update(batch, rate, (self._updates - 1) * steps + step)
                batch.set_parameters(self._learned)
        else:
            steps = batch.settle(steps, learner.stop)
            self._update(batch, rate, self._updates)
        if network.has_free_input:
            # What is shown is the output of the inferred input, with the weights that it was inferred with.
            output = network.outputs(self._xp, self._parameters if every_step else before, batch.states(0))
        loss = energy.bare.loss.value(self._xp, output, y).mean()
        energies, signal = batch.seen()
        return energies, loss, output, signal, steps

    def _update(self, batch: Settling, rate: float, number: int) -> None:
        known = self._learned, batch.gradient(), self._memory
        self._learned, self._memory = self._learner.follow(self._xp, *known, rate, number)
