"""Discrete inference in stretches of captured steps; the host reads one stretch's rows while the next one runs."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pcsim_numpy.namespace import NumpyNamespace

from pcsim.engine.backend import Ending, Settled, Task
from pcsim.engine.loop import divergence
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.samples import RunningBatch, packed_parameters
from pcsim_cupy.stacks import split
from pcsim_cupy.stop_monitor import Rows, StopMonitor

FIRST_STRETCH = 64
SECONDS = 0.1
"""Aimed at between two looks at the host's wishes."""


class Stretch(NamedTuple):
    """`steps` steps from `first` on, on their way; where they began is saved in `place`."""

    first: int
    steps: int
    place: int
    fetched: Callable[[], list[NDArray[Any]]]


def settle(task: Task, device: Device, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task on a device."""
    with device.active():
        return _Run(task, device, Recorder(task.descent.recorded, task.record, sink)).settled(poll)


class _Run:
    """One task on its way: the device stands at step `_at`, the host has judged all steps before `_judged`."""

    def __init__(self, task: Task, device: Device, recorder: Recorder) -> None:
        self._task, self._device, self._recorder = task, device, recorder
        self._layers = len(task.inference.energy.network.layers)
        self._wants_arrays = recorder.wants_states or recorder.wants_errors
        by_norm = task.stop is not None and task.stop.grad_norm is not None
        measured = recorder.wants_gradient or by_norm
        inference, stepper = task.inference, task.descent.stepper
        self._samples = RunningBatch(device, inference, stepper, len(task.x), measured=measured)
        self._monitor = StopMonitor(self._layers, len(task.x), task.stop)
        self._at, self._judged, self._added, self._converged = 0, 0, -1, False
        self._failure: str | None = None

    def settled(self, poll: Callable[[float], bool]) -> Settled:
        """Go through all steps, and return what the run leaves behind."""
        start = time.perf_counter()
        self._prepare()
        step = self._samples.captured_step()
        begin = time.perf_counter()
        try:
            stopped = self._go(step, poll)
            layerwise = self._look_last()
        finally:
            # Of a run that the device breaks off, the rows that were judged are kept.
            self._recorder.flush()
        seconds = time.perf_counter() - begin
        return self._end(layerwise, stopped, seconds, begin - start)

    def _prepare(self) -> None:
        device, task, storage = self._device, self._task, self._device.storage
        self._samples.set_parameters(packed_parameters(device, task.parameters))
        self._samples.clamp(device.put(storage.packed(task.x)), device.put(storage.packed(task.y)))
        given = task.initial
        self._samples.begin(None if given is None else tuple(device.put(storage.packed(v)) for v in given))

    def _go(self, step: Callable[[], None], poll: Callable[[float], bool]) -> bool:
        """Take steps until one has to be the last, and stand there; return whether the host wished to stop."""
        steps, length, place = self._task.descent.steps, FIRST_STRETCH, 0
        waiting: Stretch | None = None
        stopped = poll(0)
        while self._at < steps and not stopped:
            since, first = time.perf_counter(), self._judged
            running = self._launched(step, min(length, steps - self._at), place)
            place = 1 - place
            if waiting is not None and self._ends_in(waiting, step):
                # Nobody reads those rows any more, but their memory is not free before they are there.
                running.fetched()
                return False
            waiting = running
            if self._wants_arrays:
                if self._ends_in(waiting, step):
                    return False
                waiting = None
            pace = (time.perf_counter() - since) / max(self._judged - first, 1)
            length = max(1, int(SECONDS / pace)) if self._judged > first else length
            stopped = poll(self._at)
        return not (waiting is not None and self._ends_in(waiting, step)) and stopped

    def _launched(self, step: Callable[[], None], count: int, place: int) -> Stretch:
        """Start some steps, up to the next one whose arrays are to be recorded, and the copy of what they leave."""
        first = self._at
        count = min(count, self._samples.room(first))
        if self._wants_arrays:
            self._record_arrays()
            due = (t for t in range(first + 1, first + count) if self._recorder.due(t))
            count = next(due, first + count) - first
        self._samples.save(place)
        for _ in range(count):
            step()
        self._at += count
        return Stretch(first, count, place, self._device.fetch(self._samples.rows(first, count)))

    def _ends_in(self, stretch: Stretch, step: Callable[[], None]) -> bool:
        """StopMonitor and record the rows of a stretch; where a step has to be the last, go back there."""
        rows = Rows(*stretch.fetched())
        for k in range(stretch.steps):
            t = stretch.first + k
            if self._is_last(t, rows.at(k)):
                self._samples.restore(stretch.place, stretch.first)
                for _ in range(k):
                    step()
                self._at = t
                return True
            if self._recorder.due(t) and not self._wants_arrays:
                self._recorder.add(t, rows.energies[k], self._norms(rows.squares[k]), None, None)
            self._judged = t + 1
        return False

    def _is_last(self, step: int, row: Rows) -> bool:
        """StopMonitor a step; return whether nothing may come after it."""
        self._converged = self._monitor.is_met(step, row)
        self._failure = divergence(self._task, step, row.energies)
        return self._converged or self._failure is not None

    def _record_arrays(self) -> None:
        """Record the step the device stands at with its arrays, if it is due."""
        if self._recorder.due(self._at):
            self._samples.glance()
            self._add(self._row())

    def _look_last(self) -> NDArray[Any]:
        """Record the step the device stands at, the last; return its energies."""
        self._samples.glance()
        row = self._row()
        if self._failure is None and not self._converged:
            self._is_last(self._at, row)
        self._add(row)
        return row.energies

    def _row(self) -> Rows:
        return Rows(*(self._device.get(array)[0] for array in self._samples.rows(self._at, 1)))

    def _add(self, row: Rows) -> None:
        if self._added == self._at:
            return
        recorder, self._added = self._recorder, self._at
        states = self._all(self._samples.states)[:-1] if recorder.wants_states else None
        errors = self._all(self._samples.errors) if recorder.wants_errors else None
        recorder.add(self._at, row.energies, self._norms(row.squares), states, errors)

    def _norms(self, squares: NDArray[Any]) -> NDArray[Any] | None:
        return np.sqrt(squares).mean(axis=1) if self._recorder.wants_gradient else None

    def _all(self, of_layer: Callable[[int], Any]) -> list[NDArray[Any]]:
        return [self._host(of_layer(i)) for i in range(self._layers)]

    def _host(self, array: Any) -> NDArray[Any]:
        return self._device.storage.unpacked(self._device.get(array))

    def _end(self, layerwise: NDArray[Any], stopped: bool, seconds: float, compile_seconds: float) -> Settled:
        *states, output = self._all(self._samples.states)
        target = self._rounded(self._task.y)
        last = self._task.inference.energy.loss.output_state(NumpyNamespace(), output, target)
        errors = tuple(self._all(self._samples.errors))
        failure = divergence(self._task, self._at, layerwise)
        return Settled(
            states=(*states, self._rounded(last)),
            errors=errors,
            output=output,
            gradient=self._gradient() if "weight_gradient" in self._task.record else None,
            arrival_steps=self._monitor.arrivals,
            steps_taken=self._at,
            ending=Ending.of(failure, self._converged, stopped and self._at < self._task.descent.steps),
            inference_seconds=seconds,
            compile_seconds=compile_seconds,
            failure=failure,
        )

    def _gradient(self) -> tuple[dict[str, NDArray[Any]], ...]:
        scale = -1.0 / len(self._task.x)
        return tuple(
            {name: self._rounded(scale * self._host(array)) for name, array in layer.items()}
            for layer in split(self._samples.plan, self._samples.gradient())
        )

    def _rounded(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return numbers of the host as the run has them."""
        return self._device.storage.unpacked(self._device.storage.packed(array))
