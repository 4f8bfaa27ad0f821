"""Euler's method on numpy, and Langevin dynamics with it."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pcsim.inference import (
    ErrorOptimization,
    IncrementStateOptimization,
    Langevin,
    StateOptimization,
)
from pcsim.linear import linear_system
from tests.support.cases import make_case, make_task, settle
from tests.support.flow_cases import METHODS, distance, one_sample, run, trajectory


def test_euler_is_of_first_order() -> None:
    case = make_case("linear")
    exact = trajectory(case)
    states = exact.states(exact.flow((2.0,)))
    errors = [
        distance([s[None] for s in run(case, "euler", times=(2.0,), step_size=2.0**-k)[0].states[:-1]], states)
        for k in range(5, 10)
    ]
    assert np.abs(np.log2(errors[:-1]) - np.log2(errors[1:]) - 1.0).max() < 0.2


@pytest.mark.parametrize("method", METHODS)
def test_euler_is_gradient_descent(method: Any) -> None:
    case = make_case("tanh")
    settled, _ = run(case, "euler", method, np.arange(0, 11) / 10, step_size=0.1)
    descended, _ = settle(make_task(case, method(case.energy), steps=10))
    assert settled.steps_taken == 10
    assert settled.flow.work.evaluations.tolist() == [10] * 4
    # The increment form of a flow linearises each step, that of the descent does not.
    bound = 0.05 if method is IncrementStateOptimization else 1e-13
    assert distance(settled.states, descended.states) < bound


@pytest.mark.parametrize("method", [StateOptimization, ErrorOptimization])
def test_with_noise_euler_is_gradient_descent_with_noise(method: Any) -> None:
    case = make_case("tanh")
    settled, _ = run(case, "euler", method, (1.0,), step_size=0.1, temperature=0.2, seed=5)
    descended, _ = settle(make_task(case, Langevin(method(case.energy), 5, temperature=0.2), steps=10))
    assert distance(settled.states, descended.states) < 1e-13


@pytest.mark.parametrize(
    ("times", "steps"), [((0.3,), 3), ((0.25,), 3), ((0.05, 0.3), 4), ((0.0, 0.1, 0.2, 0.3, 0.7), 7)]
)
def test_euler_shortens_a_step_before_a_recorded_time_and_takes_none_for_rounding(times: Any, steps: int) -> None:
    settled, rows = run(make_case(), "euler", times=times, step_size=0.1)
    assert settled.steps_taken == steps
    assert rows.clock.tolist() == list(times)


def test_euler_runs_in_float32() -> None:
    case = make_case()
    narrow, _ = run(case, "euler", times=(1.0,), step_size=0.1, precision="float32")
    wide, _ = run(case, "euler", times=(1.0,), step_size=0.1)
    assert all(s.dtype == np.float32 for s in narrow.states)
    assert 0.0 < distance(narrow.states, wide.states) < 1e-5


def test_langevin_samples_have_the_boltzmann_covariance() -> None:
    case = make_case("linear", widths=(2, 2, 2), batch=64)
    case = replace(case, x=np.repeat(case.x[:1], 64, axis=0), y=np.repeat(case.y[:1], 64, axis=0))
    system = linear_system(case.energy, case.parameters, case.x[:1], case.y[:1])
    temperature, step = 0.5, 0.05
    _, rows = run(
        case,
        "euler",
        times=tuple(10.0 + 2.0 * np.arange(100)),
        step_size=step,
        temperature=temperature,
        record=("states",),
    )
    drawn = np.concatenate([layer.reshape(-1, layer.shape[-1]) for layer in rows.states], axis=1)
    inverse = np.linalg.inv(system.hessian())
    # Euler-Maruyama's own stationary law has H (1 − hH/2) in the place of H.
    expected = temperature * np.linalg.inv(system.hessian() @ (np.eye(2) - 0.5 * step * system.hessian()))
    assert np.abs(expected - temperature * inverse).max() < 0.1 * np.abs(expected).max()
    # 6400 draws: 5 standard errors of a covariance are below 0.09 of the largest variance.
    np.testing.assert_allclose(np.cov(drawn.T), expected, atol=0.09 * expected.max())
    np.testing.assert_allclose(
        drawn.mean(axis=0), system.join(system.equilibrium())[0], atol=0.06 * np.sqrt(expected.max())
    )


@pytest.mark.parametrize("method", [StateOptimization, ErrorOptimization])
def test_noise_depends_on_the_seed_and_the_sample_alone(method: Any) -> None:
    case = make_case("tanh", batch=5)
    noisy: dict[str, Any] = {"times": (1.0,), "step_size": 0.1, "temperature": 0.2}
    one, _ = run(case, "euler", method, seed=1, **noisy)
    again, _ = run(case, "euler", method, seed=1, **noisy)
    other, _ = run(case, "euler", method, seed=2, **noisy)
    alone, _ = run(one_sample(case, 0), "euler", method, seed=1, **noisy)
    assert distance(one.states, again.states) == 0.0
    assert distance(one.states, other.states) > 0.1
    assert distance([s[:1] for s in one.states], alone.states) < 1e-13


def test_a_step_size_too_large_for_euler_is_reported() -> None:
    case = make_case("linear", gain=2.0)
    settled, rows = run(case, "euler", times=(1.0, 1e5), step_size=10.0)
    assert settled.failure is not None
    assert "'euler' failed at time" in settled.failure
    assert "smaller inference.step_size" in settled.failure
    assert len(rows.clock) == 1
    assert "\n" not in settled.failure
