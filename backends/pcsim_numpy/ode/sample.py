"""One sample on its way through time with a SciPy solver of its own."""

import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from scipy.integrate import BDF, DOP853, LSODA, RK45, OdeSolver, Radau

from pcsim.engine.backend import Flow
from pcsim_numpy.ode.sample_field import Jacobian, Pattern, SampleField, Vector
from pcsim_numpy.ode.solvers import SMALLEST_RTOL

MOST_STEPS = 100_000
"""Steps of one sample after which a solver is taken to be lost."""
SHARE = {"dopri5": 0.25, "dopri8": 0.25, "radau": 1.0, "bdf": 1 / 30, "lsoda": 0.1}
"""What a step may be off by, as a share of what the whole trajectory may: the errors of many steps add up, most where
a multistep method's are all alike. Measured on the exact solutions of deep linear networks."""
Start: TypeAlias = Callable[[SampleField, Vector], OdeSolver]

STAGES = {"dopri5": 6, "dopri8": 12, "radau": 3, "bdf": 1, "lsoda": 1}
"""Different times after its start at which an attempted step asks for the field; explicit ones: evaluations of it."""


def solver_for(motion: Flow, pattern: Pattern | None, bandwidth: int | None) -> Start:
    """Return what starts the solver of a flow at time 0, its Jacobian with a pattern or a band where there is one."""
    share = SHARE[motion.solver]
    options: dict[str, Any] = {"rtol": max(share * motion.rtol, SMALLEST_RTOL), "atol": share * motion.atol}

    def start(field: SampleField, vector: Vector) -> OdeSolver:
        where = (field, 0.0, vector, motion.end)
        match motion.solver:
            case "dopri5":
                return RK45(*where, **options)
            case "dopri8":
                return DOP853(*where, **options)
            case "radau":
                return Radau(*where, **options, jac=Jacobian(field, pattern))
            case "bdf":
                return BDF(*where, **options, jac=Jacobian(field, pattern))
            case _:
                return LSODA(*where, **options, lband=bandwidth, uband=bandwidth)

    return start


class Sample:
    """A sample's solver, kept from one recorded time to the next; `rest` is the time it came to rest, None before.

    `vector` holds the variables at the last recorded time. The solver runs ahead of it: recording interpolates, so
    that a trajectory does not depend on what is recorded of it.
    """

    def __init__(self, field: SampleField, vector: Vector, start: Start, motion: Flow, threshold: float | None) -> None:
        self.field, self.vector = field, vector
        self.steps, self.rejected = 0, 0
        self.rest: float | None = None
        self._start, self._motion, self._threshold = start, motion, threshold
        self._solver: Any = None
        self._between: Any = None
        if threshold is not None and field.speed(field(0.0, vector)) <= threshold:
            self.rest = 0.0

    @property
    def time(self) -> float:
        """How far the solver has come."""
        return 0.0 if self._solver is None else float(self._solver.t)

    def has_reached(self, time: float) -> bool:
        """Whether nothing is left to do until then."""
        return bool(self.time >= time) or self.rest is not None or not self.vector.size

    def step(self) -> str | None:
        """Take one step of the solver, and return what went wrong if it failed."""
        with warnings.catch_warnings(record=True) as told:
            # Solvers warn where they fail, and the failure is reported.
            warnings.simplefilter("always")
            try:
                trouble = self._step()
            except (ArithmeticError, ValueError, RuntimeError) as error:
                # Singular and non-finite matrices surface so in SciPy's linear algebra.
                trouble = str(error)
        if trouble is not None and told:
            trouble = str(told[-1].message)
        return trouble

    def _step(self) -> str | None:
        if self._solver is None:
            if not np.isfinite(self.field(0.0, self.vector)).all():
                # SciPy's solvers would look for a first step for ever.
                return "a derivative is not finite"
            self._solver = self._start(self.field, self.vector)
        solver, field, before = self._solver, self.field, float(self._solver.t)
        self._between = None
        evaluations = field.evaluations
        field.times.clear()
        message = solver.step()
        accepted = solver.status != "failed"
        self.steps += accepted
        if self._motion.solver in ("dopri5", "dopri8"):
            attempts = (field.evaluations - evaluations) // STAGES[self._motion.solver]
        else:
            attempts = sum(t > before for t in field.times) // STAGES[self._motion.solver]
        self.rejected += max(0, attempts - accepted)
        if not accepted:
            return str(message)
        if not np.isfinite(solver.y).all():
            return "a variable is not finite"
        self._judge(solver)
        return f"{MOST_STEPS:,} steps are taken" if self.steps >= MOST_STEPS else None

    def _judge(self, solver: Any) -> None:
        """Let the sample rest where its derivative meets the stop rule."""
        if self._threshold is None:
            return
        velocity = getattr(solver, "f", None)
        if velocity is None:
            velocity = self.field(float(solver.t), solver.y)
        if self.field.speed(velocity) <= self._threshold:
            self.rest = float(solver.t)

    def stand(self, time: float) -> None:
        """Take the variables at a time that the solver has reached."""
        solver = self._solver
        if solver is None or solver.t_old is None:
            return
        if time >= solver.t:
            self.vector = solver.y
            return
        if self._motion.solver == "dopri8":
            self.vector = self._shorter_step(time - float(solver.t_old))
            return
        if self._between is None:
            self._between = solver.dense_output()
        self.vector = np.asarray(self._between(time))

    def _shorter_step(self, h: float) -> Vector:
        """Return where the explicit Runge-Kutta step before the present time leads with a smaller size."""
        # Where stability limits the step, the interpolant of order 7 was off by 2000 tolerances.
        solver = self._solver
        stages = solver.K[:1].copy()
        for row in solver.A[1:]:
            point = solver.y_old + h * (row[: len(stages)] @ stages)
            stages = np.vstack([stages, self.field(float(solver.t_old), point)])
        return solver.y_old + h * (solver.B @ stages)
