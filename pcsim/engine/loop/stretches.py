"""The loop over stretches of steps, for backends that take many at a time: the host paces, listens and sums up."""

import time
from collections.abc import Callable
from itertools import islice
from math import prod
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from pcsim.engine.backend import Descent, Ending, Settled, Task
from pcsim.engine.loop.failure import divergence
from pcsim.typing import NDArray

FIRST_STRETCH = 64
SECONDS = 0.25
"""Aimed at between two looks at the host's wishes."""
BYTES_OF_ROWS = 8 * 2**20
BYTES_OF_ENERGIES = 2 * 2**20
MOST_ROWS = 1024


class Judged(NamedTuple):
    """What is known since the last stretch: that so many more `steps` may be passed, or that a run has `ended`.

    It ends at the first step at which the stop rule is met or an energy is not finite.
    """

    steps: int
    ended: bool


class Last(NamedTuple):
    """What there is to see at the last step: energies (layers, batch), arrival steps, whether the stop rule is met."""

    layerwise: NDArray[np.float64]
    arrivals: NDArray[np.int64]
    converged: bool


@runtime_checkable
class Runner(Protocol):
    """All samples of a task on their way through discrete inference; they stand before the first step."""

    @property
    def step(self) -> int:
        """Where the samples stand."""
        ...

    @property
    def compile_seconds(self) -> float: ...

    def proceed(self, end: int) -> Judged:
        """Go on towards `end`, as far as one stretch goes, and record what is due; stand where the run has ended.

        Steps may be judged as late as in the next call, or in `look`.
        """
        ...

    def look(self) -> Last:
        """Judge what is left to judge, and record the step where the samples stand, the last."""
        ...

    def finish(self) -> dict[str, Any]:
        """Return the arrays of `Settled`, on the host."""
        ...


def settle_in_stretches(task: Task, samples: Runner, since: float, poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task to its end; inference began at `since` by `time.perf_counter`."""
    steps, length = task.descent.steps, FIRST_STRETCH
    stopped, ended = poll(0), False
    while samples.step < steps and not stopped and not ended:
        begin = time.perf_counter()
        judged, ended = samples.proceed(min(steps, samples.step + length))
        if judged:
            length = max(1, int(SECONDS * judged / (time.perf_counter() - begin)))
        stopped = poll(samples.step)
    last = samples.look()
    seconds = time.perf_counter() - since
    failure = divergence(task, samples.step, last.layerwise)
    return Settled(
        **samples.finish(),
        arrival_steps=last.arrivals,
        steps_taken=samples.step,
        ending=Ending.of(failure, last.converged, stopped and samples.step < steps),
        inference_seconds=seconds,
        compile_seconds=samples.compile_seconds,
        failure=failure,
    )


def next_due(motion: Descent, step: int, count: int) -> NDArray[np.int64]:
    """Return up to `count` next steps to record from `step` on."""
    recorded = motion.recorded
    rest = recorded[-(-step // recorded.step) :] if isinstance(recorded, range) else (s for s in recorded if s >= step)
    return np.array([*islice(rest, count)], dtype=np.int64)


def rows_at_once(task: Task) -> int:
    """Return how many rows to hold, 2 or more: their number must not depend on that of the steps."""
    shapes = task.inference.energy.network.layer_shapes
    energies = 8 * len(task.x) * 2 * len(shapes)
    units = 8 * len(task.x) * sum(map(prod, shapes)) * len({"states", "errors"} & task.record)
    return max(2, min(MOST_ROWS, BYTES_OF_ENERGIES // energies, BYTES_OF_ROWS // (energies + units)))
