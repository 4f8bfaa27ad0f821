"""Discrete inference in compiled stretches of steps, with the host in between to write, report and listen."""

import math
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pcsim_numpy.namespace import NumpyNamespace

from pcsim.engine.backend import Descent, Ending, Settled, Task
from pcsim.engine.loop import divergence
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim_numba.kernels.program import Rows
from pcsim_numba.samples import Limits, Reached, RunningBatch, limits_of

BYTES_OF_ROWS = 8 * 2**20
MOST_ROWS = 1024
FIRST_STRETCH = 64
LONGEST_STRETCH = 4096
SECONDS = 0.25
"""Aimed at between two looks at the host's wishes."""


def settle(task: Task, dtype: np.dtype[Any], sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task in a type."""
    return _Run(task, dtype, Recorder(task.descent.recorded, task.record, sink)).settled(poll)


class _Run:
    """One task on its way: where it stands is `_step`."""

    def __init__(self, task: Task, dtype: np.dtype[Any], recorder: Recorder) -> None:
        self._task, self._recorder = task, recorder
        parameters = tuple({k: v.astype(dtype) for k, v in layer.items()} for layer in task.parameters)
        self._x, self._y = task.x.astype(dtype), task.y.astype(dtype)
        self._initial = None if task.initial is None else tuple(v.astype(dtype) for v in task.initial)
        self._samples = RunningBatch(task.inference, task.descent.stepper, parameters, self._x, self._y)
        self._rows = _empty_rows(task, dtype)
        self._limits = limits_of(task.stop)
        self._arrivals = self._samples.nobody_arrived
        self._step, self._row_at, self._reached = 0, -1, Reached(-1, True, self._arrivals)

    def settled(self, poll: Callable[[float], bool]) -> Settled:
        """Go through all steps, and return what the run leaves behind."""
        start = time.perf_counter()
        self._samples.compile(self._rows)
        begin = time.perf_counter()
        self._samples.begin(self._initial)
        steps, stretch, stopped = self._task.descent.steps, FIRST_STRETCH, poll(0)
        self._go(0 if stopped else min(steps, stretch))
        while self._step < steps and self._reached.step < 0 and not stopped:
            before, at = time.perf_counter(), self._step
            if stopped := poll(self._step):
                break
            self._go(min(steps, self._step + stretch))
            pace = (time.perf_counter() - before) / max(self._step - at, 1)
            stretch = max(1, min(LONGEST_STRETCH, int(SECONDS / pace)))
        if self._row_at != self._step:
            self._look_again()
        return self._end(time.perf_counter() - begin, begin - start, stopped)

    def _end(self, seconds: float, compile_seconds: float, stopped: bool) -> Settled:
        samples, energy = self._samples, self._task.inference.energy
        *states, output = samples.states()
        failure = divergence(self._task, self._step, samples.layerwise())
        converged = self._reached.step >= 0 and self._reached.finite
        last = energy.loss.output_state(NumpyNamespace(), output, self._y)
        return Settled(
            states=(*states, last),
            errors=samples.errors(),
            output=output,
            gradient=samples.gradient() if "weight_gradient" in self._task.record else None,
            arrival_steps=self._arrivals,
            steps_taken=self._step,
            ending=Ending.of(failure, converged, stopped and self._step < self._task.descent.steps),
            inference_seconds=seconds,
            compile_seconds=compile_seconds,
            failure=failure,
        )

    def _go(self, end: int) -> None:
        """Go to `end`, or to the step that has to be the last, and record what is due on the way."""
        capacity = len(self._rows.layerwise)
        # The step the last stretch ended at has been recorded, if it was to be.
        due = next_due(self._task.descent, self._step + (self._step > 0), capacity)
        if len(due) == capacity:
            end = min(end, int(due[-1]))
        due = due[due <= end]
        if end == self._task.descent.steps and end not in due:
            due = np.append(due, end)
        saved = self._samples.snapshot()
        self._reached = self._proceed(end, due)
        if 0 <= self._reached.step < end:
            # That step should have been the last: the same stretch once more, up to there.
            end = self._reached.step
            self._samples.restore(saved)
            due = due[due <= end]
            self._reached = self._proceed(end, due)
        self._arrivals, self._step = self._reached.arrivals, end
        self._record(due)

    def _look_again(self) -> None:
        """Record the step at which the run ended, which nobody knew to be the last."""
        due = np.array([self._step], dtype=np.int64)
        self._samples.proceed(self._step, self._step, due, self._rows, self._arrivals, Limits())
        self._record(due)

    def _proceed(self, end: int, due: NDArray[np.int64]) -> Reached:
        return self._samples.proceed(self._step, end, due, self._rows, self._arrivals, self._limits)

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
        """Return the arrays (rows, batch, units) of every layer."""
        widths = [math.prod(shape) for shape in self._task.inference.energy.network.layer_shapes]
        edges = np.cumsum([0, *(len(self._x) * width for width in widths)])
        return tuple(
            rows[:, a:b].reshape(len(rows), -1, width).copy()
            for a, b, width in zip(edges[:-1], edges[1:], widths, strict=True)
        )


def _empty_rows(task: Task, dtype: np.dtype[Any]) -> Rows:
    shapes, batch = task.inference.energy.network.layer_shapes, len(task.x)
    units = batch * sum(math.prod(shape) for shape in shapes)
    kept = {"states", "errors"} & task.record
    per_row = 8 * batch * 2 * len(shapes) + 8 * units * len(kept)
    capacity = max(2, min(MOST_ROWS, BYTES_OF_ROWS // per_row))

    def rows(name: str) -> int:
        return capacity if name in task.record else 0

    return Rows(
        np.empty((capacity, len(shapes), batch)),
        np.empty((rows("grad_norm"), len(shapes), batch)),
        np.empty((rows("states"), units), dtype),
        np.empty((rows("errors"), units), dtype),
    )


def next_due(motion: Descent, step: int, count: int) -> NDArray[np.int64]:
    """Return up to `count` next steps to record from `step` on."""
    recorded: Sequence[int] = motion.recorded
    if isinstance(recorded, range):
        first = -(-step // recorded.step)
        found = list(islice(recorded[first:], count))
    else:
        found = list(islice((s for s in recorded if s >= step), count))
    return np.array(found, dtype=np.int64)
