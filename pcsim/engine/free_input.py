"""A free input seen from outside: backends run a network with one state more, whoever asks keeps the usual numbers.

Inside, the input is state 0 and the layers count from 1, so that dynamics, loops and backends need to know nothing of
it. Outside, layers count from 0 as ever, and the input has a place of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from pcsim.engine.backend import Backend, Capabilities, Settled, Task, TrainingBackend
from pcsim.engine.outside import WITHOUT_FIRST, block_of, settled_of
from pcsim.inference import first_variable, with_free_input
from pcsim.learning.diagnosis import Diagnosis
from pcsim.learning.pixels import Samples
from pcsim.learning.trainer import AdjustableTrainer, Outcome, Snapshot, Trainer, TrainingTask, Updates
from pcsim.trace.layout import Block
from pcsim.typing import NDArray


@dataclass(frozen=True)
class FreeInputBackend:
    """A backend whose tasks leave the input free; their x (batch, *input_shape) is where it starts.

    `held` tells for every unit of a masked input whether it is known, and stays there; empty: all are free.
    """

    backend: Backend
    held: tuple[bool, ...] = ()

    def capabilities(self) -> Capabilities:
        """Return what the backend supports."""
        return self.backend.capabilities()

    def estimate(self, task: Task) -> float:
        """Return about how many seconds the task takes, as the backend does."""
        return self.backend.estimate(self._inside(task))

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        """Run inference; the input is in `input` of blocks and of what is left behind."""
        return _settled(self.backend.settle(self._inside(task), lambda block: sink(_block(block)), poll))

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer, as the backend does; from masked samples nothing is learned, but from whole ones."""
        if self.held:
            return cast("TrainingBackend", self.backend).trainer(task)
        learner = replace(task.learner, inference=with_free_input(task.learner.inference))
        inside = replace(task, learner=learner, parameters=({}, *task.parameters))
        return FreeInputTrainer(cast("TrainingBackend", self.backend).trainer(inside))

    def _inside(self, task: Task) -> Task:
        """Return the task with the input as state 0, which starts at x."""
        first = first_variable(task.inference, task.x)
        return replace(
            task,
            inference=with_free_input(task.inference, self.held),
            parameters=({}, *task.parameters),
            initial=None if task.initial is None else (first, *task.initial),
        )


@dataclass(frozen=True)
class FreeInputTrainer:
    """A network in training whose inputs are inferred anew in every update."""

    trainer: Trainer

    def run(self, batches: NDArray[np.int64], rates: NDArray[np.float64]) -> Updates:
        """Update the parameters on one batch after another."""
        updates = self.trainer.run(batches, rates)
        return updates._replace(energy=updates.energy[:, 1:], signal=updates.signal[:, 1:])

    def diagnose(self, batch: NDArray[np.int64], rate: float) -> Diagnosis:
        """Return what `run` would do next with one batch: the input has no weights, and no place in it."""
        return self.trainer.diagnose(batch, rate)

    def evaluate(self, x: Samples, y: NDArray[np.float64]) -> Outcome:
        """Return losses and outputs."""
        return self.trainer.evaluate(x, y)

    def set_step_size(self, step_size: float) -> None:
        """Infer with another step size from now on."""
        cast("AdjustableTrainer", self.trainer).set_step_size(step_size)

    def snapshot(self) -> Snapshot:
        """Return where training stands."""
        inside = self.trainer.snapshot()
        return inside._replace(parameters=inside.parameters[1:], memory=inside.memory[1:])

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        parameters, memory = ({}, *snapshot.parameters), ({}, *snapshot.memory)
        self.trainer.restore(snapshot._replace(parameters=parameters, memory=memory))


def _block(block: Block) -> Block:
    return replace(block_of(block, WITHOUT_FIRST), input=block.states and block.states[0])


def _settled(settled: Settled) -> Settled:
    return replace(settled_of(settled, WITHOUT_FIRST), input=settled.states[0])
