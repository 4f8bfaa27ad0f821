"""When a signal first reached every layer, sample by sample."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pcsim.engine.backend import Task
from pcsim.trace import Block
from pcsim.trace.layout import ARRIVALS
from pcsim.typing import NDArray

Sink = Callable[[Block], None]


class SampleArrivals:
    """Looks at the rows of a run, where it is to record arrivals by sample, before it hands them on.

    A layer has a signal where its energy is above zero; steps that are not recorded are not seen.
    """

    def __init__(self, task: Task, sink: Sink) -> None:
        self._sink, self._wanted = sink, ARRIVALS in task.record
        self._steps = np.full((len(task.parameters), len(task.x)), -1, dtype=np.int64)

    def append(self, block: Block) -> None:
        """Take rows in, and hand them on."""
        if self._wanted and block.energy_per_sample is not None:
            present = block.energy_per_sample > 0
            first = np.asarray(block.clock, dtype=np.int64)[present.argmax(axis=0)]
            self._steps = np.where((self._steps < 0) & present.any(axis=0), first, self._steps)
        self._sink(block)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the first step (layer, sample) with a signal, −1 if never, as a trace keeps it."""
        return {ARRIVALS: self._steps} if self._wanted else {}
