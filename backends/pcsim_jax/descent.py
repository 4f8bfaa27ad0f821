"""Discrete inference on JAX: compiled stretches of steps."""

import time
from collections.abc import Callable
from typing import Any, cast

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
from pcsim_jax.program import End, Program, Rows


def settle(task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task."""
    run = _Run(task, Recorder(task.descent.recorded, task.record, sink))
    return settle_in_stretches(task, run, time.perf_counter(), poll)


class _Run:
    """One task on its way: where it stands are the arrays `_at`, of which `step` is on the host, too."""

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
        known, carry = jax.block_until_ready(started)
        self._clamped = Clamped(parameters, x, y, known)
        self.step = 0
        before, arrivals = np.full((len(parameters), len(task.x)), np.inf), np.full(len(parameters), -1, dtype=np.int64)
        self._at: tuple[Any, ...] = carry, *jax.device_put((np.int64(0), before, arrivals))
        self._end: End | None = None
        # Compiled before the clock starts.
        self._proceed = self._compiler.prepare(program.proceed, self._program, *self._given(0, 0))

    @property
    def compile_seconds(self) -> float:
        return self._compiler.seconds

    @settings()
    def proceed(self, end: int) -> Judged:
        first = self.step
        self._stretch(end, self._task.descent.steps)
        return Judged(self.step - first, self._end is not None)

    @settings()
    def look(self) -> Last:
        if self._end is None:
            # There are no steps, or somebody has stopped the run.
            self._stretch(self.step, self.step)
        end = cast("End", self._end)
        return Last(np.asarray(end.row.layerwise), np.asarray(end.arrivals), bool(end.met))

    @settings()
    def finish(self) -> dict[str, Any]:
        return on_host(cast("End", self._end).final, to_host)

    def _stretch(self, end: int, last: int) -> None:
        given = self._given(end, last)
        now, seen = jax.block_until_ready(self._proceed(*given))
        self._at, self.step = (now.carry, now.step, now.before, now.arrivals), int(now.step)
        clock = given[-1][: int(now.count)]
        rows = _on_host(now.rows, slice(len(clock)))
        if now.ended:
            self._end, clock = seen, np.append(clock, self.step)
            rows = jax.tree.map(lambda *parts: np.concatenate(parts), rows, _on_host(seen.row, None))
        norms = None if rows.norms is None else rows.norms.mean(axis=2)
        self._recorder.add_rows(clock, rows.layerwise, norms, rows.states, rows.errors)

    def _given(self, end: int, last: int) -> tuple[Any, ...]:
        due = program.padded_due(self._task.descent, self.step, self._program.rows)
        return self._clamped, *self._at, np.int64(end), np.int64(last), due


def _on_host(rows: Rows, which: slice | None) -> Rows:
    """Return some of the rows on the host, or one row as several."""

    def chosen(array: Array) -> NDArray[Any]:
        return to_host(array)[which]

    return Rows(
        chosen(rows.layerwise),
        None if rows.norms is None else chosen(rows.norms),
        rows.states and tuple(map(chosen, rows.states)),
        rows.errors and tuple(map(chosen, rows.errors)),
    )
