"""A free output that top-down predictions move, seen from outside: inside it is one state more.

Inside, the output is the last free state, and what is called the output only repeats it. Outside, that state is the
output, and its error is the difference from what is predicted of it. Elsewhere a free output rests at its prediction,
and needs no state.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from pcsim.engine.backend import Backend, Capabilities, Settled, Task, TrainingBackend
from pcsim.inference import with_free_output
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.trace.layout import Block
from pcsim.typing import NDArray


@dataclass(frozen=True)
class FreeOutputBackend:
    """A backend whose tasks leave the output free; their `initial` variables, if any, are those of all layers."""

    backend: Backend

    def capabilities(self) -> Capabilities:
        """Return what the backend supports."""
        return self.backend.capabilities()

    def estimate(self, task: Task) -> float:
        """Return about how many seconds the task takes, as the backend does."""
        return self.backend.estimate(_inside(task))

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        """Run inference; the output left behind is its state."""
        return _settled(self.backend.settle(_inside(task), lambda block: sink(_block(block)), poll))

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer, as the backend does: there are targets to learn from."""
        return cast("TrainingBackend", self.backend).trainer(task)


def _inside(task: Task) -> Task:
    return replace(task, inference=with_free_output(task.inference), parameters=(*task.parameters, {}))


def _block(block: Block) -> Block:
    def without_last(array: NDArray[np.float64] | None) -> NDArray[np.float64] | None:
        return None if array is None else array[:, :-1]

    return replace(
        block,
        energy=without_last(block.energy),
        grad_norm=without_last(block.grad_norm),
        energy_per_sample=without_last(block.energy_per_sample),
        states=block.states and block.states[:-1],
        errors=block.errors and block.errors[:-1],
    )


def _settled(settled: Settled) -> Settled:
    return replace(
        settled,
        states=settled.states[:-1],
        errors=settled.errors[:-1],
        gradient=settled.gradient and settled.gradient[:-1],
        arrival_steps=settled.arrival_steps[:-1],
    )
