"""The loop of continuous time: from one recorded time to the next, whatever solver moves the samples there."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pcsim.engine.backend import Ending, Flow, FlowOutcome, Settled, SolverWork, Task
from pcsim.engine.loop.failure import divergence
from pcsim.errors import UsageError, did_you_mean, lacks
from pcsim.inference.observables import Observation
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim.typing import NDArray


def check_flow(task: Task, motion: Flow, backend: str, solvers: Sequence[str]) -> None:
    """Raise `UsageError` for a flow that no backend could run, or whose solver is not among those of this one."""
    if motion.solver not in solvers:
        hint = did_you_mean(motion.solver, list(solvers))
        raise UsageError(f"{lacks(backend, 'solver', motion.solver, solvers)}{hint}")
    if not task.inference.traits.has_flow:
        raise UsageError(
            f'method "{task.inference.name}" has no continuous time; use inference.method = "state" or "error", '
            "or drop inference.solver"
        )
    if task.stop is not None and (task.stop.relative_change is not None or task.stop.arrival):
        raise UsageError(
            "in continuous time a solver's steps are its own, and a signal is everywhere from the first moment on; "
            "give inference.stop nothing but grad_norm"
        )


def check_noise(task: Task, motion: Flow) -> None:
    """Raise `UsageError` for noise in the increment form, whose errors are variables that have none of their own."""
    if motion.temperature > 0.0 and task.inference.traits.carries_errors:
        raise UsageError(
            'noise is for the variables of the standard form: give inference.form = "standard", or drop inference.noise'
        )


@dataclass(frozen=True)
class Reached:
    """Where an integrator stopped: at the time asked for, or earlier at one where all samples are at rest.

    `interrupted` and `failure`, a sentence on what happened and what to do, say that it got nowhere.
    """

    time: float
    at_rest: bool = False
    interrupted: bool = False
    failure: str | None = None


@runtime_checkable
class Integrator(Protocol):
    """All samples of a task on their way through time, each with steps of its own."""

    def advance(self, time: float, poll: Callable[[float], bool]) -> Reached:
        """Move every sample to a later time; a sample whose derivative meets the stop rule rests from there on."""
        ...

    def observe(self) -> Observation:
        """Return host arrays of what is to be known at the present time."""
        ...

    def finish(self) -> dict[str, Any]:
        """Return the arrays of `Settled` at the present time, on the host."""
        ...

    def work(self) -> SolverWork:
        """Return what the solver has done so far."""
        ...


def settle_flow(
    task: Task,
    motion: Flow,
    integrator: Integrator,
    sink: Callable[[Block], None],
    poll: Callable[[float], bool],
    compile_seconds: float = 0.0,
    precision: str | None = None,
) -> Settled:
    """Run a task in continuous time with an integrator at time 0; `precision` is its own where it computes in one."""
    layers = len(task.inference.energy.network.layers)
    recorder = Recorder((), task.record, sink)
    steps, times = np.full(layers, -1, dtype=np.int64), np.full(layers, np.nan)
    start = time.perf_counter()
    reached = Reached(0.0)

    def listen(clock: float) -> bool:
        recorder.flush_if_due()
        return poll(clock)

    for due in motion.times:
        reached = integrator.advance(due, listen)
        if reached.interrupted or reached.failure is not None:
            break
        seen = integrator.observe()
        arrived = (steps < 0) & np.array([bool(p) for p in seen.present])
        steps[arrived], times[arrived] = integrator.work().steps.max(), reached.time
        _record(recorder, reached.time, seen)
        failure = divergence(task, reached.time, seen.layerwise)
        reached = replace(reached, failure=failure, interrupted=poll(reached.time) and due < motion.times[-1])
        if failure is not None or reached.at_rest or reached.interrupted:
            break
    recorder.flush()
    work = integrator.work()
    return Settled(
        **integrator.finish(),
        arrival_steps=steps,
        steps_taken=int(work.steps.max()),
        ending=Ending.of(reached.failure, reached.at_rest, reached.interrupted),
        inference_seconds=time.perf_counter() - start,
        compile_seconds=compile_seconds,
        failure=reached.failure,
        flow=FlowOutcome(reached.time, times, work, precision),
    )


def _record(recorder: Recorder, clock: float, seen: Observation) -> None:
    norms: NDArray[np.float64] | None = None if seen.norms is None else seen.norms.mean(axis=1)
    recorder.add(clock, seen.layerwise, norms, seen.states, seen.errors)
