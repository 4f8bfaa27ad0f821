"""The loop of the exact backend: attempts with growing working precision until the energies are known well enough."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from flint import arb, ctx

from pcsim.engine.backend import Ending, Settled, Task
from pcsim.engine.loop import divergence, settled_arrays
from pcsim.inference.observables import gradient_norms
from pcsim.inference.stopping import StopRule, gradient_norm
from pcsim.model.arrays import Parameters
from pcsim.model.energy import Clamped, Evaluation
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim.typing import NDArray
from pcsim_exact.cost import refusal
from pcsim_exact.namespace import ExactNamespace
from pcsim_exact.number.balls import Balls, from_floats, to_floats
from pcsim_exact.number.precision import Widening, bits_asked, first_guess
from pcsim_exact.number.readout import accuracy, energy_bounds
from pcsim_exact.number.sharing import with_shared_predictions


def settle(task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a task so that every energy is known to the bits asked for, relatively.

    A run that turns out on the way to take too long ends with a failure that says so.
    """
    bits = bits_asked(task.precision)
    working = first_guess(task, bits)
    run = _Run(task, bits, sink, poll)
    start = time.perf_counter()
    while True:
        with ctx.workprec(working):
            end = run.attempt(working)
            failure = end.failure
            if end.required is not None:
                too_long = refusal(task, end.required)
                failure = too_long and f"the balls grow too wide at step {end.step}: {too_long}"
            if end.required is None or failure is not None:
                return run.settled(end, failure, time.perf_counter() - start)
            working = end.required


class Step(arb):
    """The number of a step as a ball: Adam's bias corrections β^t are then as exact as the rest."""

    def __add__(self, other: Any) -> "Step":
        return Step(super().__add__(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Step":
        return Step(super().__sub__(other))

    def __mod__(self, other: int) -> int:
        return int(float(self)) % other


@dataclass(frozen=True)
class _End:
    """Where an attempt ended; `required` is the working precision to start again with, if it must."""

    clamped: Clamped
    point: Evaluation
    step: int
    converged: bool = False
    interrupted: bool = False
    failure: str | None = None
    required: int | None = None


class _Run:
    """One task over all its attempts: rows that are known well enough are handed on once and stay."""

    def __init__(self, task: Task, bits: int, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> None:
        self._task = task
        self._bits = bits
        self._poll = poll
        self._recorder = Recorder(task.descent.recorded, task.record, sink)
        self._arrivals = np.full(len(task.parameters), -1, dtype=np.int64)
        self._delivered = -1
        self._infinity = np.full((len(task.parameters), len(task.x)), np.inf)
        self._before = self._infinity
        self._xp = ExactNamespace()

    def attempt(self, working: int) -> _End:
        """Run from the start at a working precision, to the end or until the balls are too wide."""
        task, xp = self._task, self._xp
        inference = with_shared_predictions(task.inference)
        clamped = inference.clamp(xp, self._parameters(), from_floats(task.x), from_floats(task.y))
        initial = None if task.initial is None else tuple(map(from_floats, task.initial))
        carry = inference.begin(xp, clamped, initial, task.descent.stepper)
        widening = Widening(task, self._bits, working)
        self._before = self._infinity
        step = 0
        while True:
            point = inference.evaluate(xp, clamped, carry)
            layerwise = inference.energy.layerwise(xp, clamped, point)
            required = widening.note(accuracy(layerwise, working))
            if required is not None:
                return _End(clamped, point, step, required=required)
            end = self._deliver(step, clamped, point, layerwise)
            if end is not None:
                return end
            step += 1
            carry = inference.advance(xp, clamped, point, carry, task.descent.stepper, Step(step))

    def _deliver(self, step: int, clamped: Clamped, point: Evaluation, layerwise: Balls) -> _End | None:
        """Note and record a step, unless an earlier attempt did; return the end if this is the last step."""
        energies = to_floats(layerwise)
        failure = divergence(self._task, step, energies)
        if step > self._delivered:
            self._note_arrivals(step, point)
        converged = self._task.stop is not None and self._is_met(self._task.stop, step, point, energies)
        self._before = energies
        interrupted = self._poll(max(step, self._delivered))
        last = step == self._task.descent.steps or converged or interrupted or failure is not None
        if step > self._delivered:
            self._delivered = step
            if last or self._recorder.due(step):
                self._record(step, point, layerwise, energies)
        return _End(clamped, point, step, converged, interrupted, failure) if last else None

    def _record(self, step: int, point: Evaluation, layerwise: Balls, energies: NDArray[np.float64]) -> None:
        recorder = self._recorder
        norms = to_floats(gradient_norms(self._xp, point)).mean(axis=1) if recorder.wants_gradient else None
        states = [to_floats(s) for s in point.states] if recorder.wants_states else None
        errors = [to_floats(e) for e in point.errors] if recorder.wants_errors else None
        bound = energy_bounds(layerwise, energies.mean(axis=1))
        recorder.add(step, energies, norms, states, errors, bound)

    def _note_arrivals(self, step: int, point: Evaluation) -> None:
        for i in np.flatnonzero(self._arrivals < 0):
            if self._xp.any(point.errors[i]):
                self._arrivals[i] = step

    def _is_met(self, rule: StopRule, step: int, point: Evaluation, energies: NDArray[np.float64]) -> bool:
        # An earlier attempt may have noted arrivals beyond this step.
        arrived = ((self._arrivals >= 0) & (self._arrivals <= step)).all()
        return bool(rule.is_met(lambda: to_floats(gradient_norm(self._xp, point)), energies, self._before, arrived))

    def _parameters(self) -> tuple[Parameters, ...]:
        return tuple({name: from_floats(v) for name, v in layer.items()} for layer in self._task.parameters)

    def settled(self, end: _End, failure: str | None, seconds: float) -> Settled:
        """Return what the run leaves behind, midpoints rounded to float64."""
        self._recorder.flush()
        return Settled(
            **settled_arrays(self._xp, self._task, end.clamped, end.point, to_floats),
            arrival_steps=self._arrivals,
            steps_taken=end.step,
            ending=Ending.of(failure, end.converged, end.interrupted),
            inference_seconds=seconds,
            failure=failure,
        )
