"""Discrete inference in stretches of captured steps; the host reads one stretch's rows while the next one runs."""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from pcsim_numpy.namespace import NumpyNamespace

from pcsim.engine.backend import Settled, Task
from pcsim.engine.loop import divergence
from pcsim.engine.loop.stretches import Judged, Last, settle_in_stretches
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim.typing import NDArray
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.running_batch import RunningBatch, packed_parameters
from pcsim_cupy.kernels.stacks import split
from pcsim_cupy.stop_monitor import Looks, StopMonitor


class Stretch(NamedTuple):
    """`steps` steps from `first` on, on their way; where they began is saved in `place`."""

    first: int
    steps: int
    place: int
    fetched: Callable[[], list[NDArray[Any]]]


def settle(task: Task, device: Device, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task on a device."""
    recorder = Recorder(task.descent.recorded, task.record, sink)
    with device.active():
        run = _Run(task, device, recorder)
        try:
            return settle_in_stretches(task, run, time.perf_counter(), poll)
        finally:
            # Of a run that the device breaks off, the rows that were judged are kept.
            recorder.flush()


class _Run:
    """One task on its way: the device stands at `step`, the host has judged all before the stretch that is waiting."""

    def __init__(self, task: Task, device: Device, recorder: Recorder) -> None:
        start = time.perf_counter()
        self._task, self._device, self._recorder = task, device, recorder
        self._layers = len(task.inference.energy.network.layers)
        self._wants_arrays = recorder.wants_states or recorder.wants_errors
        measured = recorder.wants_gradient or (task.stop is not None and task.stop.grad_norm is not None)
        self._samples = RunningBatch(device, task.inference, task.descent.stepper, len(task.x), measured=measured)
        self._monitor = StopMonitor(self._layers, len(task.x), task.stop)
        self.step, self._added = 0, -1
        self._converged = self._ended = False
        self._waiting: Stretch | None = None
        self._clamp_and_begin()
        self._go = self._samples.captured_step()
        self.compile_seconds = time.perf_counter() - start

    def _clamp_and_begin(self) -> None:
        device, task, storage = self._device, self._task, self._device.storage
        self._samples.set_parameters(packed_parameters(device, task.parameters))
        self._samples.clamp(device.put(storage.packed(task.x)), device.put(storage.packed(task.y)))
        given = task.initial
        self._samples.begin(None if given is None else tuple(device.put(storage.packed(v)) for v in given))

    def proceed(self, end: int) -> Judged:
        running = self._launched(end - self.step)
        judged = self._judged()
        if self._ended:
            # Nobody reads those rows any more, but their memory is not free before they are there.
            running.fetched()
            return Judged(judged, True)
        self._waiting = running
        if self._wants_arrays:
            judged = self._judged()
        return Judged(judged, self._ended)

    def look(self) -> Last:
        self._judged()
        self._samples.glance()
        row = self._row()
        if not self._ended:
            self._is_last(self.step, row)
        self._add(row)
        return Last(row.energies, self._monitor.arrivals, self._converged)

    def finish(self) -> dict[str, Any]:
        *states, output = self._all(self._samples.states)
        target = self._rounded(self._task.y)
        last = self._task.inference.energy.loss.output_state(NumpyNamespace(), output, target)
        return {
            "states": (*states, self._rounded(last)),
            "errors": tuple(self._all(self._samples.errors)),
            "output": output,
            "gradient": self._gradient() if "weight_gradient" in self._task.record else None,
        }

    def _launched(self, count: int) -> Stretch:
        """Start some steps, up to the next one whose arrays are to be recorded, and the copy of what they leave."""
        first, place = self.step, 1 if self._waiting is not None and self._waiting.place == 0 else 0
        count = min(count, self._samples.room(first))
        if self._wants_arrays:
            self._record_arrays()
            due = (t for t in range(first + 1, first + count) if self._recorder.due(t))
            count = next(due, first + count) - first
        self._samples.save(place)
        for _ in range(count):
            self._go()
        self.step += count
        return Stretch(first, count, place, self._device.fetch(self._samples.rows(first, count)))

    def _judged(self) -> int:
        """Judge and record the rows of the stretch that waits; where a step has to be the last, go back there."""
        stretch, self._waiting = self._waiting, None
        if stretch is None:
            return 0
        looks = Looks(*stretch.fetched())
        for k in range(stretch.steps):
            t = stretch.first + k
            if self._is_last(t, looks.at(k)):
                self._samples.restore(stretch.place, stretch.first)
                for _ in range(k):
                    self._go()
                self.step = t
                return k
            if self._recorder.due(t) and not self._wants_arrays:
                self._recorder.add(t, looks.energies[k], self._norms(looks.squares[k]), None, None)
        return stretch.steps

    def _is_last(self, step: int, row: Looks) -> bool:
        """Judge a step; return whether nothing may come after it."""
        self._converged = self._monitor.is_met(step, row)
        self._ended = self._converged or divergence(self._task, step, row.energies) is not None
        return self._ended

    def _record_arrays(self) -> None:
        """Record the step the device stands at with its arrays, if it is due."""
        if self._recorder.due(self.step):
            self._samples.glance()
            self._add(self._row())

    def _row(self) -> Looks:
        return Looks(*(self._device.get(array)[0] for array in self._samples.rows(self.step, 1)))

    def _add(self, row: Looks) -> None:
        if self._added == self.step:
            return
        recorder, self._added = self._recorder, self.step
        states = self._all(self._samples.states)[:-1] if recorder.wants_states else None
        errors = self._all(self._samples.errors) if recorder.wants_errors else None
        recorder.add(self.step, row.energies, self._norms(row.squares), states, errors)

    def _norms(self, squares: NDArray[Any]) -> NDArray[Any] | None:
        return np.sqrt(squares).mean(axis=1) if self._recorder.wants_gradient else None

    def _all(self, of_layer: Callable[[int], Any]) -> list[NDArray[Any]]:
        return [self._host(of_layer(i)) for i in range(self._layers)]

    def _host(self, array: Any) -> NDArray[Any]:
        return self._device.storage.unpacked(self._device.get(array))

    def _gradient(self) -> tuple[dict[str, NDArray[Any]], ...]:
        scale = -1.0 / len(self._task.x)
        return tuple(
            {name: self._rounded(scale * self._host(array)) for name, array in layer.items()}
            for layer in split(self._samples.plan, self._samples.gradient())
        )

    def _rounded(self, array: NDArray[Any]) -> NDArray[Any]:
        """Return numbers of the host as the run has them."""
        return self._device.storage.unpacked(self._device.storage.packed(array))
