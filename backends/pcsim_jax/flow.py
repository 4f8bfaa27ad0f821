"""Continuous time on JAX with Diffrax: every sample takes steps of its own, all of them in one compiled loop."""

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pcsim.engine.backend import Flow, Settled, SolverWork, Task
from pcsim.engine.loop import Reached, check_flow, check_noise, looser_or_implicit, settle_flow
from pcsim.engine.loop.stretches import SECONDS
from pcsim.errors import UsageError
from pcsim.inference.observables import Observation, on_host
from pcsim.model.energy import Clamped
from pcsim.trace.layout import Block
from pcsim.typing import NDArray
from pcsim_jax.arrays import DTYPES, arguments, settings, to_host
from pcsim_jax.compiled import Compiler
from pcsim_jax.number.pinned import with_pinned_predictions
from pcsim_jax.ode import flow_program
from pcsim_jax.ode.flow_program import FlowProgram, Numbers, Sample
from pcsim_jax.ode.solvers import METHODS, Tolerances
from pcsim_jax.support import FLOWS, SOLVERS

FIRST_ATTEMPTS = 8
SMALLEST_RTOL = {"float32": 1e-6, "float64": 1e-13}
ROOT_ERROR = 0.03
"""The error of a stage as a share of what a step may be wrong by."""
CONSTANT_ROOT = {"float32": 1e-6, "float64": 1e-13}
"""Relative error of a stage where constant steps leave no tolerance to take it from."""


def settle(task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a task in continuous time."""
    check(task)
    samples = FlowBatch(task, _motion(task))
    return settle_flow(task, _motion(task), samples, sink, poll, samples.compile_seconds)


def check(task: Task) -> None:
    """Raise `UsageError` for a flow that cannot run here."""
    motion = _motion(task)
    check_flow(task, motion, "jax", SOLVERS)
    if task.precision not in SMALLEST_RTOL:
        raise UsageError(FLOWS)
    if motion.step_size is None:
        _check_adaptive(task, motion)
    elif not 0.0 < motion.step_size < np.inf:
        raise UsageError(f"inference.step_size = {motion.step_size:g}; it must be above 0")
    if motion.temperature > 0.0:
        _check_noise(task, motion)


def _check_adaptive(task: Task, motion: Flow) -> None:
    if not METHODS[motion.solver].estimates_error:
        raise UsageError(f"the solver '{motion.solver}' takes constant steps: give inference.step_size")
    least = SMALLEST_RTOL[task.precision]
    if not motion.rtol >= least:
        wider = ', or precision = "float64"' if task.precision == "float32" else ""
        raise UsageError(
            f"inference.rtol = {motion.rtol:g} is below what {task.precision} can meet; give {least:g} or more{wider}"
        )
    if not motion.atol > 0.0:
        raise UsageError(f"inference.atol = {motion.atol:g}; it must be above 0")


def _check_noise(task: Task, motion: Flow) -> None:
    able = [word for word, method in METHODS.items() if method.noise]
    if motion.solver not in able:
        raise UsageError(
            f"the solver '{motion.solver}' has no noise; give inference.solver as one of {', '.join(able)}, or drop "
            "inference.noise"
        )
    if motion.step_size is None:
        raise UsageError("noise needs constant steps: give inference.step_size")
    check_noise(task, motion)


class FlowBatch:
    """The samples of a task on the device, compiled for and standing at time 0."""

    @settings()
    def __init__(self, task: Task, motion: Flow) -> None:
        self._task, self._motion, self._compiler = task, motion, Compiler()
        self._program = FlowProgram(
            with_pinned_predictions(task.inference),
            motion.solver,
            task.record,
            adaptive=motion.step_size is None,
            noisy=motion.temperature > 0.0,
            stops=task.stop is not None,
        )
        self._numbers = _numbers(task, motion)
        parameters, x, y, initial = arguments(task)
        known, self._samples = self._call(flow_program.begin, parameters, x, y, initial, self._numbers)
        self._clamped = Clamped(parameters, x, y, known)
        self._seen = self._samples
        self._attempts = FIRST_ATTEMPTS
        # Compiled before the clock starts.
        self._try(0.0, 0)
        self.observe()
        self.finish()

    @property
    def compile_seconds(self) -> float:
        """How long compiling took."""
        return self._compiler.seconds

    def advance(self, time: float, poll: Callable[[float], bool]) -> Reached:
        """Move every sample to a later time."""
        while True:
            status, clocks = self._standing()
            if (status > flow_program.RESTING).any():
                worst = int(np.argmax(status > flow_program.RESTING))
                return self._failed(worst, float(clocks[worst]), int(status[worst]))
            if (status == flow_program.RESTING).all():
                return Reached(float(clocks.max()), at_rest=True)
            behind = (status == flow_program.MOVING) & (clocks < time)
            if not behind.any():
                return Reached(time)
            slowest = float(clocks[behind].min())
            if poll(slowest):
                return Reached(slowest, interrupted=True)
            self._hurry(time)

    @settings()
    def observe(self) -> Observation:
        """Return host arrays of what is to be known now."""
        self._seen = self._samples
        return jax.tree.map(to_host, self._call(flow_program.look, self._clamped, self._seen.variables))

    @settings()
    def finish(self) -> dict[str, Any]:
        """Return the arrays of `Settled` at the time last observed, on the host."""
        return on_host(self._call(flow_program.close, self._clamped, self._seen.variables), to_host)

    @settings()
    def work(self) -> SolverWork:
        """Return what the solver has done so far."""
        now = self._samples
        return SolverWork(*(np.asarray(counts) for counts in (now.steps, now.rejected, now.evaluations)))

    @settings()
    def _standing(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        return np.asarray(self._samples.status), np.asarray(self._samples.time)

    def _hurry(self, due: float) -> None:
        """Try as many steps as take about a quarter of a second."""
        start = time.perf_counter()
        self._samples = self._try(due, self._attempts)
        seconds = time.perf_counter() - start
        if seconds < 0.5 * SECONDS:
            self._attempts *= 2
        elif seconds > 2.0 * SECONDS:
            self._attempts = max(1, self._attempts // 2)

    def _try(self, due: float, attempts: int) -> Sample:
        counters = (np.float64(due), np.int32(min(attempts, flow_program.MOST_STEPS)))
        return self._call(flow_program.advance, self._clamped, self._samples, *counters, self._numbers)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return jax.block_until_ready(self._compiler.call(function, self._program, *arguments))

    def _failed(self, sample: int, clock: float, status: int) -> Reached:
        trouble, remedy = self._trouble(status)
        place = f"the solver '{self._motion.solver}' failed at time {clock:g} in sample {sample}"
        return Reached(clock, failure=f"{place}: {trouble}; {remedy}")

    def _trouble(self, status: int) -> tuple[str, str]:
        size = self._motion.step_size
        if size is not None:
            what = "a variable is not finite" if status == flow_program.NOT_FINITE else "a stage could not be solved"
            return f"{what} after the next step", f"use a smaller inference.step_size than {size:g}"
        implicit = None if METHODS[self._motion.solver].implicit else '"kvaerno5"'
        remedy = looser_or_implicit(self._task, implicit)
        if status == flow_program.EXHAUSTED:
            return f"{flow_program.MOST_STEPS:,} steps are taken", remedy
        return "no step is small enough", remedy


def _motion(task: Task) -> Flow:
    if not isinstance(task.motion, Flow):
        raise TypeError("the task moves in steps, not in continuous time")
    return task.motion


def _numbers(task: Task, motion: Flow) -> Numbers:
    """Return the numbers of a flow; where there are none, such as never matter."""
    adaptive = motion.step_size is None
    dtype = DTYPES[task.precision]
    # An error below the range of the format is zero; and a relative tolerance needs something to begin with.
    share = METHODS[motion.solver].share
    atol = max(share * motion.atol, float(np.finfo(dtype).tiny))
    rtol = max(share * motion.rtol, SMALLEST_RTOL[task.precision]) if adaptive else CONSTANT_ROOT[task.precision]
    root = max(ROOT_ERROR, 8.0 * float(np.finfo(dtype).eps) / rtol) if adaptive else 1.0
    atol = atol if adaptive else float(np.finfo(dtype).tiny)
    threshold = (task.stop and task.stop.grad_norm) or 0.0
    with settings():
        limits = Tolerances(*map(jnp.float64, (rtol, atol, root)))
        step_size, temperature = jnp.float64(motion.step_size or 0.0), jnp.float64(motion.temperature)
        seed = jnp.asarray(np.array(divmod(motion.seed, 2**32), np.uint32))
        return Numbers(limits, step_size, temperature, jnp.float64(threshold), jnp.float64(motion.end), seed)
