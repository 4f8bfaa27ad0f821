"""Heun's method, in constant steps or in steps that adapt sample by sample: the batch at once, as training has it."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pcsim.engine.backend import Flow, SolverWork, Task
from pcsim.engine.loop.descent import settled_arrays
from pcsim.engine.loop.failure import looser_or_implicit
from pcsim.engine.loop.flow import Reached
from pcsim.inference import Adaptive, Constant, Heun, Integrated
from pcsim.inference.integrated import Integrating
from pcsim.inference.observables import Observation, observe
from pcsim.inference.steppers import GradientDescent
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Evaluation
from pcsim.typing import NDArray

STEPS_PER_POLL = 50
SHORTEST = 1e-12
"""A step, in units of the time of the run, that no tolerance can be met with any more."""
IMPLICIT = '"radau" or "bdf"'
UNUSED = GradientDescent(1.0)


class HeunSteps:
    """All samples on their way by `Integrated`; one whose derivative meets the stop rule rests from there on."""

    def __init__(self, xp: Namespace, task: Task, motion: Flow, to_run: Callable[[NDArray[np.float64]], Array]) -> None:
        self._xp, self._task, self._motion = xp, task, motion
        self._control = Adaptive(motion.rtol, motion.atol) if motion.step_size is None else Constant(motion.step_size)
        parameters, x, y, initial = task.arrays(to_run)
        method = self._method(motion.end)
        self._clamped = method.clamp(xp, parameters, x, y)
        self._carry: Integrating = method.begin(xp, self._clamped, initial, UNUSED)
        self._moving, batch = len(task.inference.energy.network.state_shapes), len(task.x)
        self._resting: NDArray[np.bool_] = np.zeros(batch, dtype=np.bool_)
        self._steps, self._rejected, self._evaluations = np.zeros((3, batch), dtype=np.int64)
        self._time, self._seen = 0.0, self._carry

    def advance(self, time: float, poll: Callable[[float], bool]) -> Reached:
        """Take steps in every sample until all have reached the time or rest."""
        method, count = self._method(time), 0
        while not method.ended(self._carry):
            point = method.evaluate(self._xp, self._clamped, self._carry)
            self._judge(point)
            if self._resting.all():
                return Reached(self._time, at_rest=True)
            count += 1
            if count % STEPS_PER_POLL == 0 and poll(self._time):
                return Reached(self._time, interrupted=True)
            before, on_the_way = self._carry, (self._carry.time < time) & ~self._resting
            after = method.advance(self._xp, self._clamped, point, before, UNUSED, count)
            taken = after.time > before.time
            self._evaluations += 2 * on_the_way
            self._steps += taken & on_the_way
            self._rejected += ~taken & on_the_way
            self._carry = self._without_resting(before, after, time)
            self._time = float(self._carry.time.min())
            trouble = self._trouble()
            if trouble is not None:
                return Reached(self._time, failure=trouble)
        self._time = time
        return Reached(time)

    def observe(self) -> Observation:
        """Return what the task asks to know at the present time."""
        self._seen = self._carry
        return observe(self._xp, self._task, self._clamped, self._point())

    def finish(self) -> dict[str, Any]:
        """Return the arrays of `Settled` at the time last observed."""
        return settled_arrays(self._xp, self._task, self._clamped, self._point(), np.asarray)

    def work(self) -> SolverWork:
        """Return what has been done so far."""
        return SolverWork(self._steps.copy(), self._rejected.copy(), self._evaluations.copy())

    def _method(self, end: float) -> Integrated:
        return Integrated(self._task.inference, end, Heun(), self._control)

    def _point(self) -> Evaluation:
        return self._method(self._motion.end).evaluate(self._xp, self._clamped, self._seen)

    def _judge(self, point: Evaluation) -> None:
        """Let samples rest whose derivative meets the stop rule."""
        threshold = self._task.stop and self._task.stop.grad_norm
        if threshold is None:
            return
        squares = sum((self._xp.sum_of_squares(g) for g in point.gradient), np.zeros(len(self._resting)))
        self._resting |= np.sqrt(squares) <= threshold

    def _without_resting(self, before: Integrating, after: Integrating, time: float) -> Integrating:
        """Return the carry with samples at rest where they were, their time that of the others' goal."""
        resting = self._resting
        if not resting.any():
            return after
        variables = tuple(
            np.where(resting.reshape(-1, *[1] * (z.ndim - 1)), old, z)
            for old, z in zip(before.variables, after.variables, strict=True)
        )
        return Integrating(variables, np.where(resting, np.asarray(time, after.time.dtype), after.time), after.size)

    def _trouble(self) -> str | None:
        """Return what keeps a sample from going on, and what to do."""
        finite = np.all([np.isfinite(z.reshape(len(z), -1)).all(axis=1) for z in self._carry.variables], axis=0)
        lost = ~finite | ~(self._carry.size > SHORTEST * self._motion.end)
        if not lost.any():
            return None
        sample, where = int(np.argmax(lost)), f"the solver 'heun' failed at time {self._time:g} in sample "
        if self._motion.step_size is not None:
            return (
                f"{where}{sample}: a variable is not finite after the next step; use a smaller inference.step_size "
                f"than {self._motion.step_size:g}"
            )
        remedy = looser_or_implicit(self._task, IMPLICIT)
        return f"{where}{sample}: no step is short enough; {remedy}"
