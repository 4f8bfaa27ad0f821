"""Continuous time on numpy: SciPy's solvers a sample at a time, Euler's method, and Langevin dynamics."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_numpy import NumpyBackend
from pcsim_numpy.ode.solvers import ADAPTIVE

from pcsim.engine.backend import Flow
from pcsim.inference import (
    ErrorOptimization,
    IncrementStateOptimization,
    StateOptimization,
)
from pcsim.inference.base import Moving
from pcsim.inference.stopping import StopRule
from tests.support.cases import XP, join, make_case, make_task
from tests.support.covering import covering
from tests.support.flow_cases import METHODS, TIMES, distance, one_sample, run, trajectory

LINEAR: list[dict[str, Any]] = [
    {},
    {"skip": 2, "mupc": True},
    {"precisions": True, "decays": True, "skip": 1},
    {"activation_first": True, "skip": 3, "clamp_precision": 2.0},
]


@covering(options=LINEAR, solver=ADAPTIVE, tolerance=[1e-4, 1e-9])
def test_linear_networks_follow_the_exact_exponential(solver: str, tolerance: float, options: dict[str, Any]) -> None:
    if solver == "radau":
        # Its order makes small tolerances slow.
        tolerance = max(tolerance, 1e-6)
    case = make_case("linear", widths=(5, 6, 6, 6, 3), batch=2, **options)
    exact = trajectory(case)
    settled, rows = run(case, solver, rtol=tolerance, atol=tolerance, record=("energy", "states"))
    assert settled.failure is None
    assert rows.clock.tolist() == list(TIMES)
    for ours, theirs in zip(rows.states, exact.states(exact.flow(TIMES)), strict=True):
        assert (np.abs(ours - theirs) <= tolerance * (1.0 + np.abs(theirs))).all()


@pytest.mark.parametrize("solver", ADAPTIVE)
def test_increments_keep_every_layer_to_relative_accuracy(solver: str) -> None:
    case = make_case("linear", widths=(5, *(4,) * 8, 3), batch=1, gain=1.0)
    exact, times = trajectory(case), (0.01, 0.1)
    # The modes of the exact solution cancel where a signal has just arrived; the Taylor series of the errors does not.
    system = exact.system
    columns = system.push(np.eye(system.unknowns))
    rates = (columns.T @ columns) * np.repeat([float(weight) for weight in system.weights], system.units)
    expected: list[NDArray[np.float64]] = []
    for time in times:
        errors, term = exact.start_errors.copy(), exact.start_errors
        for k in range(1, 100):
            term = -(term @ rates.T) * (time / k)
            errors += term
        expected.append(system.layerwise(errors))
    assert expected[0][0] < 1e-40
    # Type checks make small steps slow.
    rtol = {"dopri8": 1e-7, "radau": 1e-3}.get(solver, 1e-4)
    settled, rows = run(case, solver, IncrementStateOptimization, times, rtol=rtol, atol=1e-40)
    np.testing.assert_allclose(rows.energy, np.stack(expected), rtol=50 * rtol, atol=0)
    assert (settled.flow.arrival_times == times[0]).all()


@pytest.mark.parametrize("options", [{"skip": 2}, {"precisions": True, "decays": True}], ids=str)
@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_increments_and_states_flow_alike(activation: str, options: dict[str, Any]) -> None:
    case = make_case(activation, batch=1, **options)
    recorded = [
        run(case, "dopri8", method, rtol=1e-10, atol=1e-10, record=("energy", "states", "errors"))[1]
        for method in (StateOptimization, IncrementStateOptimization)
    ]
    assert distance(recorded[0].states, recorded[1].states) < 1e-8
    assert distance(recorded[0].errors, recorded[1].errors) < 1e-8


@pytest.mark.parametrize("solver", ["dopri5", "radau", "bdf", "lsoda"])
def test_errors_and_states_flow_to_one_equilibrium(solver: str) -> None:
    case = make_case("tanh", widths=(4, 3, 3, 2), batch=1, gain=0.8)
    ends = [
        run(case, solver, method, (400.0,), rtol=1e-8, atol=1e-9)[0]
        for method in (StateOptimization, ErrorOptimization)
    ]
    assert distance(ends[0].states, ends[1].states) < 1e-6


@covering(method=METHODS, solver=ADAPTIVE)
def test_errors_start_as_exact_zeros(solver: str, method: Any) -> None:
    _, rows = run(make_case("gelu", batch=3), solver, method, (0.0, 0.5), record=("energy", "errors"))
    assert not rows.energy[0, :-1].any()
    assert rows.energy[1].all()
    assert not any(errors[0].any() for errors in rows.errors[:-1])


def test_a_given_start_is_where_the_flow_begins() -> None:
    case = make_case("linear")
    exact = trajectory(case, case.states)
    _, rows = run(case, "dopri5", rtol=1e-9, atol=1e-9, record=("states",), initial=case.states)
    assert distance([s[0] for s in rows.states], case.states) == 0.0
    assert distance(rows.states, exact.states(exact.flow(TIMES))) < 1e-8


def test_recording_does_not_change_a_trajectory() -> None:
    case = make_case("tanh", batch=1)
    for solver in ADAPTIVE:
        few, _ = run(case, solver, times=(5.0,))
        many, _ = run(case, solver, times=np.linspace(0.0, 5.0, 41))
        assert distance(few.states, many.states) == 0.0
        assert (few.flow.work.steps == many.flow.work.steps).all()


@covering(method=METHODS, solver=["euler", "heun", *ADAPTIVE])
def test_a_sample_moves_as_it_does_alone(solver: str, method: Any) -> None:
    case = make_case("tanh", batch=4)
    steps = {"euler": {"step_size": 0.05}, "heun": {"rtol": 1e-4, "atol": 1e-6}}.get(solver, {})
    together, rows = run(case, solver, method, (0.3, 2.0), record=("states", "weight_gradient"), **steps)
    for b in (0, 3):
        alone, own = run(one_sample(case, b), solver, method, (0.3, 2.0), record=("states",), **steps)
        assert alone.flow.work.steps[0] == together.flow.work.steps[b]
        bound = 1e-13 if solver in ("euler", "heun") else 0.0
        assert distance([s[:, b : b + 1] for s in rows.states], own.states) <= bound
    assert [g["W"].shape for g in together.gradient] == [w["W"].shape for w in case.parameters]


@pytest.mark.parametrize("method", [StateOptimization, ErrorOptimization])
def test_the_weight_gradient_is_that_of_the_final_states(method: Any) -> None:
    case = make_case("tanh", batch=3)
    settled, _ = run(case, "dopri5", method, (1.0,), record=("weight_gradient",))
    point = StateOptimization(case.energy).evaluate(XP, case.clamped(), Moving(settled.states[:-1], ()))
    for ours, theirs in zip(settled.gradient, case.energy.parameter_gradient(XP, case.clamped(), point), strict=True):
        assert distance(ours.values(), theirs.values()) < 1e-13


@covering(method=METHODS, solver=["euler", "heun", *ADAPTIVE])
def test_samples_come_to_rest(solver: str, method: Any) -> None:
    case = make_case("tanh", batch=2, widths=(5, 4, 4, 3), gain=0.9)
    case.y[0] = case.energy.feedforward(XP, case.clamped())[1][-1][0]
    threshold, step_size = 1e-4, 0.1 if solver == "euler" else None
    times = (0.0, 1.0, 5000.0)
    settled, rows = run(
        case, solver, method, times, step_size=step_size, rtol=1e-4, atol=1e-6, stop=StopRule(threshold)
    )
    assert settled.converged
    assert not settled.interrupted
    assert settled.failure is None
    assert 1.0 < rows.clock[-1] < 5000.0
    assert rows.clock[:2].tolist() == [0.0, 1.0]
    # The first sample starts at its equilibrium.
    assert settled.flow.work.steps[0] == 0 < settled.flow.work.steps[1:].min()
    assert rows.grad_norm[-1, :-1].max() <= threshold


def test_a_sample_that_rests_beyond_a_recorded_time_is_recorded_before() -> None:
    case = make_case("linear", batch=2, gain=0.7)
    exact = trajectory(case)
    times = tuple(np.linspace(0.0, 40.0, 101))
    settled, rows = run(case, "dopri8", times=times, rtol=1e-9, atol=1e-9, stop=StopRule(1e-3), record=("states",))
    assert settled.converged
    assert rows.clock[:-1].tolist() == list(times[: len(rows.clock) - 1])
    rests = exact.states(exact.flow(rows.clock[:-1]))
    assert distance([s[:-1] for s in rows.states], rests) < 2e-3


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("solver", ["euler", "heun", *ADAPTIVE])
def test_a_network_without_free_states_has_nothing_to_move(solver: str, method: Any) -> None:
    case, step_size = make_case(widths=(5, 3)), 0.1 if solver == "euler" else None
    settled, rows = run(case, solver, method, (0.0, 1.0), step_size=step_size)
    assert rows.clock.tolist() == [0.0, 1.0]
    assert settled.failure is None
    settled, rows = run(case, solver, method, (1.0,), step_size=step_size, stop=StopRule(1e-6))
    assert settled.converged


def test_heun_is_as_exact_as_it_is_asked_to_be_and_of_second_order_in_constant_steps() -> None:
    case = make_case("linear", batch=3)
    exact = trajectory(case)
    there = exact.states(exact.flow(TIMES))
    for tolerance in (1e-4, 1e-6):
        settled, rows = run(case, "heun", times=TIMES, rtol=tolerance, atol=tolerance, record=("states",))
        assert distance(rows.states, there) < 10 * tolerance
        work = settled.flow.work
        assert (work.evaluations == 2 * (work.steps + work.rejected)).all()
    apart = [
        distance(
            run(case, "heun", times=(1.0,), step_size=1 / steps)[0].states[:-1],
            [s[0] for s in exact.states(exact.flow([1.0]))],
        )
        for steps in (16, 32)
    ]
    assert np.log2(apart[0] / apart[1]) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("solver", ["euler", "heun", "dopri5", "lsoda"])
def test_a_run_stops_when_asked(solver: str) -> None:
    case, step_size = make_case(batch=3), 0.01 if solver == "euler" else None
    asked: list[float] = []

    def poll(time: float) -> bool:
        asked.append(time)
        return time > 1.0

    tolerance = 1e-5 if solver == "heun" else 1e-9
    task = make_task(case, motion=Flow(solver, (0.5, 500.0), step_size=step_size, rtol=tolerance, atol=tolerance))
    blocks: list[Any] = []
    settled = NumpyBackend().settle(task, blocks.append, poll)
    assert settled.interrupted
    assert not settled.converged
    assert join(blocks).clock.tolist() == [0.5]
    assert asked == sorted(asked)
    assert 1.0 < asked[-1] < 50.0


def test_work_is_counted_for_every_sample() -> None:
    case = make_case("tanh", widths=(4, 3, 3, 2), batch=2)
    for solver in ADAPTIVE:
        work = run(case, solver, times=(20.0,), rtol=1e-4)[0].flow.work
        assert work.steps.min() > 5
        assert (work.evaluations > work.steps + work.rejected).all()
    plain = run(case, "dopri5", times=(20.0,))[0].flow.work
    # One looks whether the start is finite, two choose the first step, and six make an attempt.
    assert (plain.evaluations == 3 + 6 * (plain.steps + plain.rejected)).all()


def test_float32_is_that_of_parameters_data_and_results() -> None:
    case = make_case("tanh")
    rounded = replace(
        case,
        parameters=tuple({k: v.astype(np.float32).astype(float) for k, v in w.items()} for w in case.parameters),
        x=case.x.astype(np.float32).astype(float),
        y=case.y.astype(np.float32).astype(float),
    )
    kept = ("energy", "states", "errors", "weight_gradient")
    narrow, rows = run(case, "dopri8", times=(0.0, 1.0), rtol=1e-12, precision="float32", record=kept)
    wide, reference = run(rounded, "dopri8", times=(0.0, 1.0), rtol=1e-12, record=kept)
    np.testing.assert_array_equal(rows.energy, reference.energy)
    for ours, theirs in (
        *zip((*narrow.states, *narrow.errors), (*wide.states, *wide.errors), strict=True),
        *zip((*rows.states, *rows.errors), (*reference.states, *reference.errors), strict=True),
    ):
        assert ours.dtype == np.float32
        np.testing.assert_array_equal(ours, theirs.astype(np.float32))
    for a, b in zip(narrow.gradient, wide.gradient, strict=True):
        np.testing.assert_array_equal(a["W"], b["W"].astype(np.float32))
