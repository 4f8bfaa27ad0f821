"""Discrete inference on JAX: compiled stretches of steps."""

import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from pcsim.engine.backend import Settled, Task
from pcsim.engine.loop.stretches import Judged, Last, rows_at_once, settle_in_stretches
from pcsim.inference.observables import on_host
from pcsim.model.arrays import Array
from pcsim.model.energy import Clamped
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim.typing import NDArray
from pcsim_jax import program
from pcsim_jax.arrays import arguments, namespace, settings, to_host
from pcsim_jax.compiled import Compiler
from pcsim_jax.number.pinned import with_pinned_predictions
from pcsim_jax.program import Program, Progress, Rows


def settle(task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task."""
    run = _Run(task, Recorder(task.descent.recorded, task.record, sink))
    return settle_in_stretches(task, run, time.perf_counter(), poll)


class _Run:
    """One task on its way: where it stands is `_carry` at `step`."""

    @settings()
    def __init__(self, task: Task, recorder: Recorder) -> None:
        self._task, self._recorder, self._compiler = task, recorder, Compiler()
        motion = task.descent
        inference = with_pinned_predictions(task.inference)
        self._program = Program(
            namespace(task.precision), inference, motion.stepper, task.stop, task.record, rows_at_once(task)
        )
        parameters, x, y, initial = arguments(task)
        started = self._compiler.call(program.start, self._program, parameters, x, y, initial)
        known, self._carry = jax.block_until_ready(started)
        self._clamped = Clamped(parameters, x, y, known)
        self.step = 0
        self._before: Array = np.full((len(parameters), len(task.x)), np.inf)
        self._arrivals: Array = np.full(len(parameters), -1, dtype=np.int64)
        # Compiled before the clock starts.
        self._proceed = self._compiler.prepare(program.proceed, self._program, *self._here(), np.int64(0), self._due())
        self._close = self._compiler.prepare(program.close, self._program, *self._here())

    @property
    def compile_seconds(self) -> float:
        return self._compiler.seconds

    @settings()
    def proceed(self, end: int) -> Judged:
        due, first = self._due(), self.step
        now = self._stretch(end, due)
        flagged = bool(now.flagged)
        if flagged:
            # The step before should have been the last: the same stretch once more, up to there.
            now = self._stretch(int(now.step) - 1, due)
        self._carry, self.step, self._before, self._arrivals = now.carry, int(now.step), now.before, now.arrivals
        self._record(now.rows, due[: int(now.count)])
        return Judged(self.step - first, flagged)

    @settings()
    def look(self) -> Last:
        seen, arrivals, met, self._final = jax.block_until_ready(self._close(*self._here()))
        self._record(jax.tree.map(_alone, program.rows_of(seen)), np.array([self.step], dtype=np.int64))
        return Last(np.asarray(seen.layerwise), np.asarray(arrivals), bool(met))

    @settings()
    def finish(self) -> dict[str, Any]:
        return on_host(self._final, to_host)

    def _stretch(self, end: int, due: NDArray[np.int64]) -> Progress:
        return jax.block_until_ready(self._proceed(*self._here(), np.int64(end), due))

    def _here(self) -> tuple[Any, ...]:
        return self._clamped, self._carry, np.int64(self.step), self._before, self._arrivals

    def _due(self) -> NDArray[np.int64]:
        return program.padded_due(self._task.descent, self.step, self._program.rows)

    def _record(self, rows: Rows, clock: NDArray[np.int64]) -> None:
        count = len(clock)
        self._recorder.add_rows(
            clock,
            np.asarray(rows.layerwise)[:count],
            None if rows.norms is None else np.asarray(rows.norms)[:count].mean(axis=2),
            rows.states and tuple(to_host(s)[:count] for s in rows.states),
            rows.errors and tuple(to_host(e)[:count] for e in rows.errors),
        )


def _alone(array: Array) -> NDArray[Any]:
    return np.asarray(array)[None]
