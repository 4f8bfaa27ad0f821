"""Continuous time on JAX against exact solutions, and what every run has to hold to."""

import subprocess
import sys
from dataclasses import replace
from math import factorial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_jax import flow
from pcsim_jax.ode import flow_program

from pcsim.engine.backend import Flow, Settled, Task
from pcsim.inference import (
    ErrorOptimization,
    IncrementStateOptimization,
    Inference,
    StateOptimization,
)
from pcsim.inference.stopping import StopRule
from pcsim.linear import linear_system
from pcsim.model.activations import Tanh
from pcsim.model.energy import Energy
from pcsim.model.losses import SquaredError
from pcsim.model.network import dense_chain
from pcsim.trace.layout import Block
from tests.support.cases import Case, make_case, make_task
from tests.support.compilations import compilations
from tests.support.covering import sampled
from tests.support.places import GOLDEN, ROOT

FLOW = GOLDEN / "flow-tanh-bias-mse"
TIMES = (0.25, 1.0, 4.0, 10.0)
FORMS = {"standard": StateOptimization, "increment": IncrementStateOptimization}
Arrays = NDArray[Any]


def flow_task(case: Case, solver: str, inference: Inference | None = None, **options: Any) -> Task:
    motion: dict[str, Any] = {"times": TIMES}
    motion |= {k: options.pop(k) for k in list(options) if k in Flow.__dataclass_fields__}
    task = make_task(case, inference, record=("energy", "states"))
    return replace(task, motion=Flow(solver, **motion), **options)


def settle(task: Task) -> tuple[Settled, Arrays, list[Arrays]]:
    blocks: list[Block] = []
    settled = flow.settle(task, blocks.append, lambda _: False)
    energies = [b.energy for b in blocks if b.energy is not None]
    states = [b.states for b in blocks if b.states is not None]
    layers = [np.concatenate([s[i] for s in states]) for i in range(len(states[0]))] if states else []
    return settled, np.concatenate(energies) if energies else np.zeros(0), layers


def deviation(states: list[Arrays], case: Case, times: tuple[float, ...]) -> float:
    """The largest relative deviation from the exact solution: a sample's rms in a layer, at any recorded time."""
    trajectory = linear_system(case.energy, case.parameters, case.x, case.y).trajectory()
    exact = trajectory.states(trajectory.flow(times))
    pairs = zip(states, exact, strict=True)
    return max(float(np.max(np.linalg.norm(a - e, axis=2) / np.linalg.norm(e, axis=2))) for a, e in pairs)


LINEAR = {
    "plain": make_case("linear"),
    "skips, mupc": make_case("linear", skip=2, mupc=True, bias=False),
    "precisions, decay": make_case("linear", precisions=True, decays=True, activation_first=True),
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("solver", ["bosh3", "dopri8", "kvaerno5"])  # the order of each: tests/order
def test_linear_flow_is_exact_to_the_tolerance(solver: str) -> None:
    case = LINEAR["plain"]
    tolerances = (1e-3, 1e-5) if solver == "bosh3" else (1e-4, 1e-7, 1e-10)
    for rtol in tolerances:
        settled, _, states = settle(flow_task(case, solver, rtol=rtol, atol=rtol * 1e-3))
        assert settled.failure is None
        assert deviation(states, case, TIMES) <= 3 * rtol
        assert settled.flow is not None
        assert (settled.flow.work.evaluations > settled.flow.work.steps).all()


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "solver"), [("skips, mupc", "dopri5"), ("precisions, decay", "kvaerno5")])
def test_linear_flow_of_other_networks(name: str, solver: str) -> None:
    for rtol in (1e-4, 1e-8):
        _, _, states = settle(flow_task(LINEAR[name], solver, rtol=rtol, atol=rtol * 1e-3))
        assert deviation(states, LINEAR[name], TIMES) <= 3 * rtol


@pytest.mark.exhaustive
def test_increment_form_is_right_in_every_layer_however_small() -> None:
    case = make_case("linear", widths=(6, *(8,) * 11, 4), gain=1.0)
    times = (0.01, 0.1, 1.0)
    exact = taylor_energies(case, times)
    assert exact[0, 0] < 1e-55
    task = flow_task(case, "dopri8", IncrementStateOptimization(case.energy), rtol=1e-8, atol=1e-40, times=times)
    settled, energies, _ = settle(task)
    np.testing.assert_allclose(energies, exact, rtol=1e-6)
    assert settled.flow is not None
    assert (settled.flow.arrival_times == 0.01).all()


def taylor_energies(case: Case, times: tuple[float, ...]) -> Arrays:
    """Energies from the series of the flow, whose terms are exactly zero in layers that they do not reach."""
    system = linear_system(case.energy, case.parameters, case.x, case.y)
    start = system.join(system.feedforward())
    errors = system.errors(start)
    errors[:, : system.unknowns] = 0.0
    term = -system.gradient(start, errors)
    moved = np.zeros((len(times), *term.shape))
    for k in range(1, 60):
        moved += np.array(times)[:, None, None] ** k / factorial(k) * term
        term = -term @ system.hessian()
    return np.stack([system.layerwise(errors + system.push(np.asarray(m))) for m in moved])


@pytest.mark.exhaustive
def test_implicit_solver_beats_explicit_ones_on_a_stiff_network() -> None:
    case = make_case("linear", widths=(6, *(8,) * 4, 4), gain=3.0)
    system = linear_system(case.energy, case.parameters, case.x, case.y)
    assert np.linalg.cond(system.hessian()) > 1e3
    times, steps = (10.0, 300.0), {}
    for solver in ("dopri5", "kvaerno5"):
        settled, _, states = settle(flow_task(case, solver, rtol=1e-5, atol=1e-8, times=times))
        assert deviation(states, case, times) <= 1e-4
        steps[solver] = settled.steps_taken
    assert steps["kvaerno5"] < steps["dopri5"] / 8


@pytest.mark.exhaustive
def test_golden_case() -> None:
    weights, data, expected = (np.load(FLOW / f"{name}.npz") for name in ("weights", "data", "expected"))
    network = dense_chain((12, 10, 8, 6, 4), Tanh(), activation_first=True)
    parameters = tuple({"W": weights[f"W{i}"], "b": weights[f"b{i}"]} for i in range(4))
    energy = Energy(network, SquaredError(), (1.0,) * 3, (0.0,) * 3)
    case = Case(network, energy, {}, parameters, data["x"], data["y"], ())
    times = tuple(expected["time"].tolist())
    _, energies, _ = settle(flow_task(case, "dopri8", StateOptimization(energy), times=times, rtol=1e-12, atol=1e-12))
    np.testing.assert_allclose(energies, expected["energy"], rtol=1e-9, atol=1e-12)


@pytest.mark.exhaustive
def test_error_flow_ends_where_the_state_flow_does() -> None:
    case = make_case("tanh")
    ends = []
    for method in (StateOptimization, ErrorOptimization):
        task = flow_task(case, "dopri5", method(case.energy), times=(300.0,), stop=StopRule(1e-6))
        ends.append(settle(replace(task, motion=replace(task.motion, rtol=1e-8)))[0])
        assert ends[-1].converged
    for a, b in zip(ends[0].states, ends[1].states, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


@pytest.mark.exhaustive
def test_a_trajectory_does_not_depend_on_its_batch() -> None:
    task = flow_task(make_case("tanh"), "kvaerno3", rtol=1e-5)
    whole, _, states = settle(task)
    part, _, alone = settle(replace(task, x=task.x[1:3], y=task.y[1:3]))
    for a, b in zip(states, alone, strict=True):
        np.testing.assert_allclose(a[:, 1:3], b, rtol=1e-12, atol=1e-13)
    assert whole.flow is not None
    assert part.flow is not None
    np.testing.assert_array_equal(whole.flow.work.steps[1:3], part.flow.work.steps)
    np.testing.assert_array_equal(whole.flow.work.evaluations[1:3], part.flow.work.evaluations)


@pytest.mark.exhaustive
@pytest.mark.xla
@pytest.mark.parametrize(("form", "precision"), [("standard", "float32"), ("increment", "float64")])
def test_start_has_no_errors(form: str, precision: str) -> None:
    case = make_case("tanh", widths=(17, *(33,) * 4, 5), batch=7, mupc=True, skip=1)
    task = flow_task(case, "tsit5", FORMS[form](case.energy), times=(0.0,), rtol=1e-5, precision=precision)
    settled = settle(task)[0]
    assert settled.flow is not None
    assert np.isnan(settled.flow.arrival_times[:-1]).all()
    assert settled.states[0].dtype == precision


@pytest.mark.exhaustive
def test_saving_more_often_costs_few_steps() -> None:
    case = LINEAR["plain"]
    few, _, _ = settle(flow_task(case, "dopri5", rtol=1e-6))
    with compilations() as compiled:
        many, _, _ = settle(flow_task(case, "dopri5", rtol=1e-6, times=tuple(np.linspace(0.25, 10.0, 40).tolist())))
    assert not compiled
    assert many.steps_taken <= few.steps_taken + 40


@pytest.mark.parametrize("solver", sampled(["kvaerno3", "heun"], ["heun"]))
def test_rest_is_judged_by_the_derivative(solver: str) -> None:
    case, step_size = make_case("tanh"), 0.125 if solver == "heun" else None
    task = flow_task(case, solver, times=(1.0, 1000.0, 2000.0), stop=StopRule(1e-3), step_size=step_size)
    blocks: list[Block] = []
    task = replace(task, record=frozenset({"energy", "grad_norm"}))
    settled = flow.settle(task, blocks.append, lambda _: False)
    clock, norms = blocks[-1].clock, blocks[-1].grad_norm
    assert settled.converged
    assert norms is not None
    assert 1.0 < clock[-1] < 1000.0
    assert 1e-6 < np.sqrt(np.sum(norms[-1][:-1] ** 2)) <= 1e-3


def test_interruption() -> None:
    task = flow_task(LINEAR["plain"], "dopri5", times=(1.0, 10.0))
    settled = flow.settle(task, lambda _: None, lambda now: now >= 1.0)
    assert settled.interrupted
    assert not settled.converged


def test_network_without_free_states() -> None:
    settled, energies, _ = settle(flow_task(make_case("linear", widths=(5, 3)), "dopri5", stop=StopRule(1.0)))
    assert settled.converged
    assert energies.shape == (1, 1)


def test_failures_name_time_and_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("linear", gain=3.0)
    settled, _, _ = settle(flow_task(case, "heun", step_size=2.0, times=(4000.0,)))
    assert settled.failure is not None
    assert "variable is not finite" in settled.failure
    assert "smaller inference.step_size" in settled.failure
    monkeypatch.setattr(flow_program, "MOST_STEPS", 40)
    odd = make_case("linear", widths=(3, 4, 5))
    settled, _, _ = settle(flow_task(odd, "bosh3", rtol=1e-13, atol=1e-13))
    assert settled.failure is not None
    assert "40 steps are taken" in settled.failure
    assert 'inference.solver = "kvaerno5"' in settled.failure


def test_nothing_is_finite_from_the_start() -> None:
    case = make_case("linear", widths=(3, 4, 5))
    parameters = tuple({k: v * 1e200 for k, v in layer.items()} for layer in case.parameters)
    settled, _, _ = settle(flow_task(replace(case, parameters=parameters), "tsit5"))
    assert settled.failure is not None
    assert "time 0" in settled.failure


@pytest.mark.exhaustive
@pytest.mark.parametrize("solver", ["euler", "heun"])
def test_langevin_covariance(solver: str) -> None:
    """The stationary covariance is T H⁻¹, for Euler's method T H⁻¹ (1 − hH/2)⁻¹."""
    case = make_case("linear", widths=(2, 2, 2, 1), batch=512, gain=0.8)
    temperature, h = 0.2, 0.125
    start = tuple(np.zeros((512, 2)) for _ in range(2))
    task = flow_task(case, solver, temperature=temperature, step_size=h, initial=start, seed=3)
    times = tuple(np.arange(20.0, 60.0, 4.0).tolist())
    task = replace(task, motion=replace(task.motion, times=times))
    settled, _, states = settle(task)
    system = linear_system(case.energy, case.parameters, case.x, case.y)
    deviations = np.concatenate(states, axis=2) - system.join(system.equilibrium())
    flat = deviations.reshape(-1, 4)
    covariance = flat.T @ flat / len(flat)
    expected = temperature * np.linalg.inv(system.hessian())
    if solver == "euler":
        expected = expected @ np.linalg.inv(np.eye(4) - h / 2 * system.hessian())
    assert np.abs(covariance - expected).max() < 0.08 * np.abs(expected).max()
    again, _, _ = settle(replace(task, x=task.x[:8], y=task.y[:8], initial=tuple(s[:8] for s in start)))
    np.testing.assert_allclose(settled.states[0][:8], again.states[0], rtol=1e-11, atol=1e-12)


@pytest.mark.exhaustive
def test_no_setting_leaks() -> None:
    """Another process, since these tests themselves allow float64 everywhere."""
    code = """
import jax, jax.numpy as jnp, numpy as np
from pcsim_jax import flow
import tests.backends.jax.test_flow as t
jax.config.update("jax_enable_x64", False)
settled, _, _ = t.settle(t.flow_task(t.LINEAR["plain"], "tsit5", times=(0.5,)))
assert settled.states[0].dtype == np.float64
assert not jax.config.jax_enable_x64
assert jnp.zeros(2).dtype == jnp.float32
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
