"""Discrete inference on JAX: compiled stretches of steps, with the host in between to write, report and listen."""

import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from pcsim.engine.backend import Descent, Ending, Settled, Task
from pcsim.engine.loop import divergence
from pcsim.inference.observables import Final, Observation, on_host
from pcsim.model.arrays import Array
from pcsim.model.energy import Clamped
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim_jax import program
from pcsim_jax.arrays import arguments, namespace, to_host
from pcsim_jax.compiled import Compiler
from pcsim_jax.number.pinned import with_pinned_predictions
from pcsim_jax.program import Program, Progress, Rows

BYTES_OF_ROWS = 8 * 2**20
MOST_ROWS = 1024
FIRST_STRETCH = 64
SECONDS = 0.25
"""Aimed at between two looks at the host's wishes."""


def settle(task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task."""
    return _Run(task, Recorder(task.descent.recorded, task.record, sink)).settled(poll)


class _Run:
    """One task on its way: where it stands is `_carry` at `_step`."""

    def __init__(self, task: Task, recorder: Recorder) -> None:
        self._task, self._recorder, self._compiler = task, recorder, Compiler()
        motion = task.descent
        inference = with_pinned_predictions(task.inference)
        self._program = Program(
            namespace(task.precision), inference, motion.stepper, task.stop, task.record, rows_at_once(task)
        )
        parameters, x, y, initial = arguments(task)
        known, self._carry = self._call(program.start, parameters, x, y, initial)
        self._clamped = Clamped(parameters, x, y, known)
        self._step = 0
        self._before: Array = np.full((len(parameters), len(task.x)), np.inf)
        self._arrivals: Array = np.full(len(parameters), -1, dtype=np.int64)
        # Compiled before the clock starts.
        self._compiler.prepare(program.proceed, self._program, *self._stretch(0))
        self._compiler.prepare(program.close, self._program, *self._end())

    def settled(self, poll: Callable[[float], bool]) -> Settled:
        """Go through all steps, and return what the run leaves behind."""
        begin = time.perf_counter()
        steps, stretch, flagged, stopped = self._task.descent.steps, FIRST_STRETCH, False, poll(0)
        while self._step < steps and not flagged and not stopped:
            before, at = time.perf_counter(), self._step
            flagged = self._go(min(steps, self._step + stretch))
            pace = (time.perf_counter() - before) / max(self._step - at, 1)
            stretch = max(1, int(SECONDS / pace))
            stopped = poll(self._step)
        seen, arrivals, met, final = self._close()
        self._record_last(seen)
        seconds = time.perf_counter() - begin
        failure = divergence(self._task, self._step, np.asarray(seen.layerwise))
        return Settled(
            **on_host(final, to_host),
            arrival_steps=np.asarray(arrivals),
            steps_taken=self._step,
            ending=Ending.of(failure, bool(met), stopped and self._step < steps),
            inference_seconds=seconds,
            compile_seconds=self._compiler.seconds,
            failure=failure,
        )

    def _go(self, end: int) -> bool:
        """Go to `end`, or to the step that has to be the last, and record what is due on the way."""
        now = self._proceed(end)
        flagged = bool(now.flagged)
        if flagged:
            # The step before should have been the last: the same stretch once more, up to there.
            now = self._proceed(int(now.step) - 1)
        self._carry, self._step, self._before, self._arrivals = now.carry, int(now.step), now.before, now.arrivals
        self._record(now.rows, int(now.count), self._due)
        return flagged

    def _proceed(self, end: int) -> Progress:
        return self._call(program.proceed, *self._stretch(end))

    def _stretch(self, end: int) -> tuple[Any, ...]:
        self._due = next_due(self._task.descent, self._step, self._program.rows)
        return *self._end(), np.int64(end), self._due

    def _close(self) -> tuple[Observation, Array, Array, Final]:
        return self._call(program.close, *self._end())

    def _end(self) -> tuple[Any, ...]:
        return self._clamped, self._carry, np.int64(self._step), self._before, self._arrivals

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return jax.block_until_ready(self._compiler.call(function, self._program, *arguments))

    def _record(self, rows: Rows, count: int, clock: NDArray[np.int64]) -> None:
        self._recorder.add_rows(
            clock[:count],
            np.asarray(rows.layerwise)[:count],
            None if rows.norms is None else np.asarray(rows.norms)[:count].mean(axis=2),
            rows.states and tuple(to_host(s)[:count] for s in rows.states),
            rows.errors and tuple(to_host(e)[:count] for e in rows.errors),
        )

    def _record_last(self, seen: Observation) -> None:
        def alone(array: Array) -> Array:
            return array[None]

        rows = Rows(seen.layerwise, seen.norms, seen.states, seen.errors)
        self._record(jax.tree.map(alone, rows), 1, np.array([self._step], dtype=np.int64))


def next_due(motion: Descent, step: int, count: int) -> NDArray[np.int64]:
    """Return the next `count` steps to record from `step` on, filled up with −1, which never comes."""
    recorded: Sequence[int] = motion.recorded
    if isinstance(recorded, range):
        first = -(-step // recorded.step)
        found = list(islice(recorded[first:], count))
    else:
        found = list(islice((s for s in recorded if s >= step), count))
    return np.array(found + [-1] * (count - len(found)), dtype=np.int64)


def rows_at_once(task: Task) -> int:
    """Return how many rows to hold on the device: their number must not depend on that of the steps."""
    shapes = task.inference.energy.network.layer_shapes
    units = sum(int(np.prod(shape)) for shape in shapes)
    per_row = 8 * len(task.x) * (2 * len(shapes) + units * len({"states", "errors"} & task.record))
    return max(1, min(MOST_ROWS, BYTES_OF_ROWS // per_row))
