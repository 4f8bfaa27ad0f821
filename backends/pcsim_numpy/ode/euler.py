"""Euler's method, and Euler-Maruyama's with noise: constant steps, the batch at once."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from pcsim.engine.backend import Flow, SolverWork, Task
from pcsim.engine.loop.descent import settled_arrays
from pcsim.engine.loop.flow import Reached
from pcsim.inference import gradient_flow
from pcsim.inference.draws import normals, seed_words
from pcsim.inference.observables import Observation, observe
from pcsim.model.arrays import Array
from pcsim.model.energy import States
from pcsim.model.flat import Flat
from pcsim.typing import NDArray
from pcsim_numpy.namespace import NumpyNamespace

STEPS_PER_POLL = 50
NEGLIGIBLE = 1e-9
"""The share of a step that is rounding of the sum of steps before it."""


class EulerSteps:
    """z ← z + h v(z), with √(2Th) ξ more at a temperature T > 0; `time` is that of all samples."""

    def __init__(
        self, xp: NumpyNamespace, task: Task, motion: Flow, to_run: Callable[[NDArray[np.float64]], Array]
    ) -> None:
        if motion.step_size is None:
            raise TypeError("Euler's method takes constant steps, and the flow has no step size")
        self._xp, self._task, self._step, self._temperature = xp, task, motion.step_size, motion.temperature
        self._field = gradient_flow(task.inference)
        parameters, x, y, initial = task.arrays(to_run)
        self._clamped = self._field.clamp(xp, parameters, x, y)
        self._variables: States = self._field.begin(xp, self._clamped, initial)
        self._moving = len(task.inference.energy.network.state_shapes)
        batch = len(task.x)
        self._seed, self._samples = seed_words(motion.seed), np.arange(batch)
        self._time = 0.0
        self._velocity: States | None = None
        self._resting: NDArray[np.bool_] = np.zeros(batch, dtype=np.bool_)
        self._steps, self._evaluations = np.zeros((2, batch), dtype=np.int64)
        self._seen = self._variables

    def advance(self, time: float, poll: Callable[[float], bool]) -> Reached:
        """Take full steps, and a shorter one to end at the time exactly."""
        count = 0
        while True:
            self._judge()
            if self._resting.all():
                return Reached(self._time, at_rest=True)
            remaining = time - self._time
            if remaining <= NEGLIGIBLE * self._step:
                self._time = time
                return Reached(time)
            count += 1
            if count % STEPS_PER_POLL == 0 and poll(self._time):
                return Reached(self._time, interrupted=True)
            last = remaining <= (1.0 + NEGLIGIBLE) * self._step
            moved = self._moved(remaining if last else self._step)
            if not all(np.isfinite(z).all() for z in moved):
                return Reached(self._time, failure=self._failure(moved))
            self._variables, self._velocity = moved, None
            self._steps += ~self._resting
            self._time = time if last else self._time + self._step

    def observe(self) -> Observation:
        """Return what the task asks to know at the present time."""
        self._seen = self._variables
        point = self._field.evaluate(self._xp, self._clamped, self._variables)
        return observe(self._xp, self._task, self._clamped, point)

    def finish(self) -> dict[str, Any]:
        """Return the arrays of `Settled` at the time last observed."""
        point = self._field.evaluate(self._xp, self._clamped, self._seen)
        return settled_arrays(self._xp, self._task, self._clamped, point, np.asarray)

    def work(self) -> SolverWork:
        """Return what has been done so far; no step is ever rejected."""
        return SolverWork(self._steps.copy(), np.zeros_like(self._steps), self._evaluations.copy())

    def _moved(self, h: float) -> States:
        velocity = self._here()
        moves = [h * v for v in velocity]
        if self._temperature > 0.0:
            size = sqrt(2.0 * self._temperature * h)
            moves = [move + size * noise for move, noise in zip(moves, self._noise(), strict=True)]
        for move in moves:
            move[self._resting] = 0.0
        return tuple(z + move for z, move in zip(self._variables, moves, strict=True))

    def _here(self) -> States:
        """Return the velocity at the present point, evaluated once."""
        if self._velocity is None:
            self._velocity = self._field.velocity(self._xp, self._clamped, self._variables)
            self._evaluations += ~self._resting
        return self._velocity

    def _judge(self) -> None:
        """Let samples rest whose derivative meets the stop rule."""
        threshold = self._task.stop and self._task.stop.grad_norm
        if threshold is None:
            return
        moving = self._here()[: self._moving]
        squares = sum((self._xp.sum_of_squares(v) for v in moving), np.zeros(len(self._resting)))
        self._resting |= np.sqrt(squares) <= threshold

    def _noise(self) -> list[NDArray[Any]]:
        """Return standard normal numbers for every variable."""
        layout = Flat(tuple(z.shape[1:] for z in self._variables))
        drawn = normals(self._xp, self._seed, 0, self._samples, self._steps[:, None] + 1, layout.size)
        return [noise.astype(z.dtype) for noise, z in zip(layout.split(drawn), self._variables, strict=True)]

    def _failure(self, moved: States) -> str:
        bad = [np.flatnonzero(~np.isfinite(z.reshape(len(z), -1)).all(axis=1)) for z in moved]
        sample = min(int(rows[0]) for rows in bad if rows.size)
        return (
            f"the solver 'euler' failed at time {self._time:g} in sample {sample}: a variable is not finite after the "
            f"next step; use a smaller inference.step_size than {self._step:g}"
        )
