"""Discrete inference in compiled stretches of steps, a block of samples on every core."""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from pcsim_numpy.namespace import NumpyNamespace

from pcsim.engine.backend import Settled, Task
from pcsim.engine.loop.stretches import Judged, Last, next_due, rows_at_once, settle_in_stretches
from pcsim.model.flat import Flat
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim.typing import NDArray
from pcsim_numba.kernels.entries import RowBuffers
from pcsim_numba.kernels.running_batch import Reached, RunningBatch, limits_of

LONGEST_STRETCH = 4096
"""A flag is kept of every step of a stretch."""


def settle(task: Task, dtype: np.dtype[Any], sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task in a type."""
    run = _Run(task, dtype, Recorder(task.descent.recorded, task.record, sink))
    return settle_in_stretches(task, run, run.since, poll)


class _Run:
    """One task on its way, at its first step already; `_row_at` is the one that was recorded last."""

    def __init__(self, task: Task, dtype: np.dtype[Any], recorder: Recorder) -> None:
        start = time.perf_counter()
        self._task, self._recorder = task, recorder
        parameters = tuple({k: v.astype(dtype) for k, v in layer.items()} for layer in task.parameters)
        self._x, self._y = task.x.astype(dtype), task.y.astype(dtype)
        initial = None if task.initial is None else tuple(v.astype(dtype) for v in task.initial)
        self._samples = RunningBatch(task.inference, task.descent.stepper, parameters, self._x, self._y)
        self._rows = _empty_rows(task, dtype)
        self._limits = limits_of(task.stop)
        self.step, self._row_at, self._reached = 0, -1, Reached(-1, True, self._samples.nobody_arrived)
        self._samples.compile(self._rows)
        self.since = time.perf_counter()
        self.compile_seconds = self.since - start
        self._samples.begin(initial)

    def proceed(self, end: int) -> Judged:
        first, capacity = self.step, len(self._rows.layerwise)
        end = min(end, first + LONGEST_STRETCH)
        # The step the last stretch ended at has been recorded, if it was to be.
        due = next_due(self._task.descent, first + (first > 0), capacity)
        if len(due) == capacity:
            end = min(end, int(due[-1]))
        due = due[due <= end]
        if end == self._task.descent.steps and end not in due:
            due = np.append(due, end)
        saved, arrivals = self._samples.snapshot(), self._reached.arrivals
        self._go(end, due, arrivals)
        if 0 <= self._reached.step < end:
            # That step should have been the last: the same stretch once more, up to there.
            end = self._reached.step
            self._samples.restore(saved)
            due = due[due <= end]
            self._go(end, due, arrivals)
        self.step = end
        self._record(due)
        return Judged(end - first, self._reached.step >= 0)

    def look(self) -> Last:
        if self._row_at != self.step:
            # Nobody knew that the run would end here.
            due = np.array([self.step], dtype=np.int64)
            self._go(self.step, due, self._reached.arrivals)
            self._record(due)
        reached = self._reached
        return Last(self._samples.layerwise(), reached.arrivals, reached.step >= 0 and reached.finite)

    def finish(self) -> dict[str, Any]:
        samples = self._samples
        layers = range(len(self._task.parameters))
        *states, output = map(samples.states, layers)
        last = self._task.inference.energy.loss.output_state(NumpyNamespace(), output, self._y)
        return {
            "states": (*states, last),
            "errors": tuple(map(samples.errors, layers)),
            "output": output,
            "gradient": samples.gradient() if "weight_gradient" in self._task.record else None,
        }

    def _go(self, end: int, due: NDArray[np.int64], arrivals: NDArray[np.int64]) -> None:
        self._reached = self._samples.proceed(self.step, end, due, self._rows, arrivals, self._limits)

    def _record(self, due: NDArray[np.int64]) -> None:
        rows, count = self._rows, len(due)
        if count:
            self._row_at = int(due[-1])
        self._recorder.add_rows(
            due,
            rows.layerwise[:count].copy(),
            rows.norms[:count].mean(axis=2) if len(rows.norms) else None,
            self._by_layer(rows.states[:count])[:-1] if len(rows.states) else None,
            self._by_layer(rows.errors[:count]) if len(rows.errors) else None,
        )

    def _by_layer(self, rows: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """Return the arrays (rows, batch, *shape) of every layer."""
        shapes = self._task.inference.energy.network.layer_shapes
        layers = Flat(tuple((len(self._x), *shape) for shape in shapes)).split(rows)
        return tuple(layer.copy() for layer in layers)


def _empty_rows(task: Task, dtype: np.dtype[Any]) -> RowBuffers:
    shapes, batch, capacity = task.inference.energy.network.layer_shapes, len(task.x), rows_at_once(task)
    units = batch * sum(map(math.prod, shapes))

    def rows(name: str) -> int:
        return capacity if name in task.record else 0

    return RowBuffers(
        np.empty((capacity, len(shapes), batch)),
        np.empty((rows("grad_norm"), len(shapes), batch)),
        np.empty((rows("states"), units), dtype),
        np.empty((rows("errors"), units), dtype),
    )
