"""A free output that top-down predictions move, seen from outside: inside it is one state more.

Inside, the output is the last free state, and what is called the output only repeats it. Outside, that state is the
output, and its error is the difference from what is predicted of it. Elsewhere a free output rests at its prediction,
and needs no state.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from pcsim.engine.backend import Backend, Capabilities, Settled, Task, TrainingBackend
from pcsim.engine.outside import WITHOUT_LAST, block_of, settled_of
from pcsim.inference import with_free_output
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.trace.layout import Block


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
        settled = self.backend.settle(_inside(task), lambda block: sink(block_of(block, WITHOUT_LAST)), poll)
        return settled_of(settled, WITHOUT_LAST)

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer, as the backend does: there are targets to learn from."""
        return cast("TrainingBackend", self.backend).trainer(task)


def _inside(task: Task) -> Task:
    return replace(task, inference=with_free_output(task.inference), parameters=(*task.parameters, {}))
