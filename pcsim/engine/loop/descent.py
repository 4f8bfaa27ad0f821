"""The plain loop: inference step by step in Python, for every backend whose arrays compute eagerly."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pcsim.engine.backend import Ending, Settled, Task
from pcsim.engine.loop.failure import divergence
from pcsim.errors import UsageError
from pcsim.inference.observables import finish, gradient_norms, on_host
from pcsim.inference.stopping import gradient_norm
from pcsim.model.arithmetic import NARROW
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Evaluation
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim.typing import NDArray


def wide_noise(backend: str) -> str:
    """Return what is said of noise in a narrow format."""
    return f"{backend} draws noise in float32 and float64 alone; use one of these, or write inference.noise = 0"


def check_draws(task: Task, backend: str) -> None:
    """Raise `UsageError` for discrete steps with noise in a format whose rounding would be noise of its own."""
    if task.inference.traits.draws and task.precision in NARROW:
        raise UsageError(wide_noise(backend))


def settle(
    xp: Namespace,
    task: Task,
    to_run: Callable[[NDArray[np.float64]], Array],
    to_host: Callable[[Array], NDArray[Any]],
    sink: Callable[[Block], None],
    poll: Callable[[float], bool],
) -> Settled:
    """Run a task with the arrays of `xp`; `to_run` rounds and moves a host array there, `to_host` brings one back."""
    inference, energy, motion = task.inference, task.inference.energy, task.descent
    *held, initial = task.arrays(to_run)
    clamped = inference.clamp(xp, *held)
    recorder = Recorder(motion.recorded, task.record, sink)
    arrivals = Arrivals(len(energy.network.layers))

    start = time.perf_counter()
    carry = inference.begin(xp, clamped, initial, motion.stepper)
    step, failure, converged, stopped = 0, None, False, False
    before = np.full((len(arrivals.steps), len(task.x)), np.inf)
    while True:
        point = inference.evaluate(xp, clamped, carry)
        layerwise = to_host(energy.layerwise(xp, clamped, point))
        arrivals.note(step, layerwise, point, to_host)
        failure = divergence(task, step, layerwise)
        converged = task.stop is not None and bool(
            task.stop.is_met(partial(_norm, xp, point, to_host), layerwise, before, arrivals.everywhere)
        )
        stopped = poll(step)
        last = step == motion.steps or converged or stopped or failure is not None
        if last or recorder.due(step):
            _record(xp, recorder, step, layerwise, point, to_host)
        recorder.flush_if_due()
        if last:
            break
        step, before = step + 1, layerwise
        carry = inference.advance(xp, clamped, point, carry, motion.stepper, step)
    recorder.flush()
    seconds = time.perf_counter() - start

    return Settled(
        **settled_arrays(xp, task, clamped, point, to_host),
        arrival_steps=arrivals.steps,
        steps_taken=step,
        ending=Ending.of(failure, converged, stopped and step < motion.steps),
        inference_seconds=seconds,
        failure=failure,
    )


def settled_arrays(
    xp: Namespace, task: Task, clamped: Clamped, point: Evaluation, to_host: Callable[[Array], NDArray[Any]]
) -> dict[str, Any]:
    """Return the arrays of `Settled` at the end of a run, on the host."""
    return on_host(finish(xp, task, clamped, point), to_host)


class Arrivals:
    """Arrival steps: the first step at which any unit of a layer has a non-zero error, −1 before."""

    def __init__(self, layers: int) -> None:
        self.steps = np.full(layers, -1, dtype=np.int64)
        self._complete = False

    @property
    def everywhere(self) -> np.bool_:
        """Whether a signal has reached every layer."""
        return (self.steps >= 0).all()

    def note(
        self,
        step: int,
        layerwise: NDArray[np.float64],
        point: Evaluation,
        to_host: Callable[[Array], NDArray[Any]],
    ) -> None:
        """Note the layers that a signal has reached by this step."""
        if self._complete:
            return
        missing = np.flatnonzero(self.steps < 0)
        self._complete = missing.size == 0
        positive: NDArray[np.bool_] = np.any(layerwise, axis=1)
        for i in missing:
            if positive[i] and i < len(positive) - 1:
                self.steps[i] = step
                continue
            error = to_host(point.errors[i])
            # Energies do not tell where the loss is positive without an error, and where the square of a tiny error
            # underflows to zero, as it cannot in a type of twice the range.
            hidden = error.dtype.itemsize == layerwise.dtype.itemsize or i == len(positive) - 1
            if hidden and error.any():
                self.steps[i] = step


def _norm(xp: Namespace, point: Evaluation, to_host: Callable[[Array], NDArray[Any]]) -> NDArray[Any]:
    return to_host(gradient_norm(xp, point))


def _record(
    xp: Namespace,
    recorder: Recorder,
    step: int,
    layerwise: NDArray[np.float64],
    point: Evaluation,
    to_host: Callable[[Array], NDArray[Any]],
) -> None:
    norms = to_host(gradient_norms(xp, point)).mean(axis=1) if recorder.wants_gradient else None
    states = [to_host(s) for s in point.states] if recorder.wants_states else None
    errors = [to_host(e) for e in point.errors] if recorder.wants_errors else None
    recorder.add(step, layerwise, norms, states, errors)
