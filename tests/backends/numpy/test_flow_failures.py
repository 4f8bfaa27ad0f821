"""Continuous time on numpy: what fails, and what is refused before it starts."""

from typing import Any

import numpy as np
import pytest
from pcsim_numpy import NumpyBackend
from pcsim_numpy.ode.solvers import ADAPTIVE

from pcsim.engine.backend import Flow
from pcsim.errors import UsageError
from pcsim.inference import (
    Backprop,
    IncrementStateOptimization,
)
from tests.support.cases import make_case, make_task
from tests.support.flow_cases import run


@pytest.mark.parametrize("solver", ADAPTIVE)
def test_a_field_that_is_not_finite_is_reported(solver: str) -> None:
    case = make_case("linear", batch=2)
    case.y[1] = np.nan
    settled, _ = run(case, solver)
    assert settled.failure is not None
    assert "the energy of the output is not finite at time 0" in settled.failure
    task = make_task(case, motion=Flow(solver, (1.0,)))
    settled = NumpyBackend().settle(task, lambda block: None, lambda time: False)
    assert settled.failure is not None
    assert f"the solver '{solver}' failed at time 0 in sample 1" in settled.failure
    assert "larger inference.rtol" in settled.failure
    assert "\n" not in settled.failure


def test_heun_reports_steps_that_diverge_and_tolerances_that_nothing_meets() -> None:
    case = make_case("linear", gain=20.0)
    task = make_task(case, motion=Flow("heun", (1000.0,), step_size=10.0))
    with np.errstate(all="ignore"):
        settled = NumpyBackend().settle(task, lambda block: None, lambda time: False)
    assert settled.failure is not None
    assert "use a smaller inference.step_size than 10" in settled.failure
    case.y[1] = np.nan
    task = make_task(case, motion=Flow("heun", (1.0,)))
    settled = NumpyBackend().settle(task, lambda block: None, lambda time: False)
    assert settled.failure is not None
    assert "in sample 1: no step is short enough" in settled.failure


def test_a_solver_that_takes_too_many_steps_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcsim_numpy.ode.sample.MOST_STEPS", 20)
    settled, rows = run(make_case(), "dopri5", times=(0.1, 1e4))
    assert "20 steps are taken" in settled.failure
    assert '"radau" or "bdf"' in settled.failure
    assert rows.clock.tolist() == [0.1]
    assert np.isfinite(settled.states[0]).all()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"solver": "tsit5"}, ("no solver 'tsit5'", "dopri5")),
        ({"solver": "radau", "precision": "bfloat16"}, ("numpy has continuous time in float32 and float64 alone",)),
        ({"solver": "euler", "step_size": 0.1, "precision": "float16"}, ("use one of these",)),
        ({"solver": "euler"}, ("give inference.step_size",)),
        ({"solver": "dopri8", "step_size": 0.1}, ("drop inference.step_size", 'backend = "jax"')),
        ({"solver": "bdf", "temperature": 0.1}, ('inference.solver = "euler"',)),
        ({"solver": "heun", "temperature": 0.1}, ('inference.solver = "euler"',)),
        ({"solver": "bdf", "rtol": 1e-15}, ("2.2e-14 or more",)),
        ({"solver": "lsoda", "atol": 0.0}, ("above 0",)),
        ({"solver": "dopri5", "inference": Backprop}, ("no continuous time",)),
        (
            {"solver": "euler", "step_size": 0.1, "temperature": 0.1, "inference": IncrementStateOptimization},
            ('inference.form = "standard"',),
        ),
    ],
    ids=str,
)
def test_what_cannot_run_is_refused_before_it_starts(change: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as refused:
        run(make_case(), **change)
    assert all(word in str(refused.value) for word in words)
    assert "\n" not in str(refused.value)
