"""Flows on numpy, run from a case, for several tests."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pcsim_numpy import NumpyBackend

from pcsim.engine.backend import Flow
from pcsim.inference import (
    ErrorOptimization,
    IncrementStateOptimization,
    StateOptimization,
)
from pcsim.linear import LinearTrajectory, linear_system
from tests.support.cases import Case, make_task, settle

TIMES = (0.0, 0.1, 0.5, 1.0, 3.0, 10.0)


METHODS: list[Any] = [StateOptimization, IncrementStateOptimization, ErrorOptimization]


def trajectory(case: Case, start: tuple[NDArray[np.float64], ...] | None = None) -> LinearTrajectory:
    return linear_system(case.energy, case.parameters, case.x, case.y).trajectory(start)


def run(case: Case, solver: str, inference: Any = StateOptimization, times: Any = TIMES, **options: Any) -> Any:
    """Return what a flow leaves and its rows; options that a flow does not know go to the task."""
    own = {k: options.pop(k) for k in ("step_size", "rtol", "atol", "temperature", "seed") if k in options}
    task = make_task(case, inference(case.energy), motion=Flow(solver, tuple(times), **own), **options)
    assert NumpyBackend().estimate(task) > 0
    return settle(task)


def distance(ours: Any, theirs: Any) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def one_sample(case: Case, b: int) -> Case:
    return replace(case, x=case.x[b : b + 1], y=case.y[b : b + 1])
