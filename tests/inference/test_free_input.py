"""A free input is one more state without a term of its own; a free output leaves the feedforward pass at rest."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_exact import ExactBackend
from pcsim_jax import JaxBackend
from pcsim_numpy import NumpyBackend

from pcsim.engine.backend import Backend, Flow, Settled, Task
from pcsim.engine.free_input import FreeInputBackend
from pcsim.inference.steppers import GradientDescent, Momentum
from pcsim.inference.stopping import StopRule
from pcsim.model.losses import NoTarget
from pcsim.trace import Block
from tests.support.cases import METHODS, Case, join, make_case, make_task, settle
from tests.support.covering import sampled

pytestmark = pytest.mark.usefixtures("jax_in_double")

RECORD = ("energy", "grad_norm", "energy_per_sample", "states", "errors", "weight_gradient")
RATE, STEPS = 0.1, 12
NETWORKS: dict[str, dict[str, Any]] = {
    "weights-first": {},
    "mupc-skips": {"activation_first": True, "mupc": True, "skip": 2, "precisions": True, "decays": True},
    "sigmoid-output": {"sigmoid_output": True, "skip": 1},
    "cross-entropy": {"activation": "gelu", "loss": "cross-entropy"},
}
MOVING = ("state", "increment", "error", "sequential", "sequential-increment")


def task_of(case: Case, method: str = "state", **options: Any) -> Task:
    chosen: dict[str, Any] = {"steps": STEPS, "stepper": GradientDescent(RATE), "record": RECORD} | options
    return make_task(case, METHODS[method](case.energy), **chosen)


BACKENDS: dict[str, Backend] = {"numpy": NumpyBackend(), "jax": JaxBackend()}


def run(task: Task, backend: Backend | None = None) -> tuple[Settled, Block]:
    """Run a task with a free input."""
    free, blocks = FreeInputBackend(backend or NumpyBackend()), list[Block]()
    assert free.estimate(task) > 0
    settled = free.settle(task, blocks.append, lambda clock: False)
    return settled, join(blocks)


def present(array: Any) -> Any:
    assert array is not None
    return array


def oracle_descent(case: Case, method: str) -> tuple[list[NDArray[Any]], list[Any]]:
    """Return inputs and states by step: descent along automatic derivatives with respect to the input as well."""
    oracle, fixed = case.oracle, (case.parameters,)
    x, states = case.x, oracle.states_of_errors([np.zeros_like(s) for s in case.states], *fixed, case.x)
    energy = oracle.energy_of_states if method == "state" else oracle.energy_of_errors
    if method == "error":
        states = [np.zeros_like(s) for s in states]

    def total(moving: Any) -> Any:
        return energy(moving[1], *fixed, moving[0], case.y)

    def moved(variable: Any, slope: Any) -> Any:
        return variable - RATE * slope

    slopes = jax.jit(jax.grad(total))
    now, inputs, seen = (x, states), list[Any](), list[Any]()
    for _ in range(STEPS + 1):
        inputs.append(np.asarray(now[0]))
        seen.append(now[1] if method == "state" else oracle.states_of_errors(now[1], *fixed, now[0]))
        now = jax.tree.map(moved, now, slopes(now))
    return inputs, seen


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("method", ["state", "increment", "error"])
def test_the_input_descends_the_energy_with_the_states(method: str, network: str) -> None:
    case = make_case(**NETWORKS[network])
    settled, rows = run(task_of(case, method))
    inputs, states = oracle_descent(case, "error" if method == "error" else "state")
    np.testing.assert_allclose(present(rows.input), inputs, rtol=0, atol=1e-13)
    assert np.abs(inputs[-1] - case.x).max() > 1e-4
    for i, array in enumerate(present(rows.states)):
        np.testing.assert_allclose(array, [step[i] for step in states], rtol=0, atol=1e-13)
    np.testing.assert_array_equal(present(settled.input), present(rows.input)[-1])


@pytest.mark.parametrize("method", MOVING)
def test_outside_layers_have_their_usual_numbers(method: str) -> None:
    case = make_case(**NETWORKS["mupc-skips"])
    (free, rows), (clamped, usual) = run(task_of(case, method)), settle(task_of(case, method))
    for name in ("energy", "grad_norm", "energy_per_sample"):
        assert getattr(rows, name).shape == getattr(usual, name).shape
        # Nothing has moved yet: the starts are the same.
        np.testing.assert_array_equal(getattr(rows, name)[0], getattr(usual, name)[0])
    for ours, theirs in ((free, clamped), (rows, usual)):
        assert [a.shape for a in present(ours.states)] == [a.shape for a in present(theirs.states)]
        assert [a.shape for a in present(ours.errors)] == [a.shape for a in present(theirs.errors)]
    np.testing.assert_array_equal(free.arrival_steps, clamped.arrival_steps)
    assert [sorted(g) for g in present(free.gradient)] == [sorted(g) for g in present(clamped.gradient)]
    assert [g["W"].shape for g in present(free.gradient)] == [p["W"].shape for p in case.parameters]
    assert clamped.input is usual.input is None


def linear_case() -> Case:
    return make_case("linear", widths=(2, 4, 4, 4), batch=2, gain=1.0)


def best_input(case: Case) -> NDArray[np.float64]:
    """Return the input at the equilibrium of a linear chain: generalised least squares (model: section 4)."""
    matrices = [p["W"].T for p in case.parameters]
    after = [np.eye(4)]
    for matrix in reversed(matrices[1:]):
        after.insert(0, after[0] @ matrix)
    spread = sum(a @ a.T for a in after)
    offset = sum(a @ p["b"] for a, p in zip(after, case.parameters, strict=True))
    whole, metric = after[0] @ matrices[0], np.linalg.inv(spread)
    solve = np.linalg.solve(whole.T @ metric @ whole, whole.T @ metric)
    return (case.y - offset) @ solve.T


@pytest.mark.parametrize("method", MOVING)
def test_a_linear_network_infers_the_least_squares_input(method: str) -> None:
    case = linear_case()
    stepper = Momentum(0.3, 0.7)
    settled, _ = run(task_of(case, method, steps=1000, recorded=(0,), stepper=stepper, stop=StopRule(1e-11)))
    assert settled.converged
    np.testing.assert_allclose(present(settled.input), best_input(case), rtol=0, atol=1e-8)


@pytest.mark.parametrize(
    "way",
    sampled(
        [f"{method} {name}" for method in ("state", "increment", "error") for name in BACKENDS],
        ["state numpy", "increment numpy"],
    ),
)
def test_a_flow_carries_the_input_along(way: str) -> None:
    method, backend = way.split()
    case = linear_case()
    flow = Flow("dopri5", (0.0, 1.0, 200.0), rtol=1e-6, atol=1e-8)
    settled, rows = run(task_of(case, method, motion=flow, stop=StopRule(1e-6)), BACKENDS[backend])
    np.testing.assert_allclose(present(settled.input), best_input(case), rtol=0, atol=1e-5)
    assert present(rows.energy).shape[1] == len(present(settled.flow).arrival_times) == 3


def test_an_implicit_solver_carries_the_input_along() -> None:
    case = linear_case()
    settled, _ = run(task_of(case, motion=Flow("bdf", (0.0, 100.0), rtol=1e-6, atol=1e-9)))
    np.testing.assert_allclose(present(settled.input), best_input(case), rtol=0, atol=1e-4)


@pytest.mark.parametrize("method", ["state", "sequential-increment", "error"])
def test_exact_arithmetic_bounds_numpys_energies(method: str) -> None:
    pytest.importorskip("flint", reason="needs python-flint")
    case = make_case(widths=(3, 4, 4, 2), batch=2, **NETWORKS["mupc-skips"])
    task = task_of(case, method, steps=6)
    (ours, rows), (theirs, reference) = run(replace(task, precision="exact"), ExactBackend()), run(task)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    assert present(rows.energy_bound).shape == present(rows.energy).shape == (7, 3)
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=1e-10, atol=1e-28)
    np.testing.assert_allclose(present(ours.input), present(theirs.input), rtol=0, atol=1e-13)


@pytest.mark.parametrize("method", ["state", "error"])
def test_a_sample_alone_moves_as_in_its_batch(method: str) -> None:
    case = make_case(batch=5)
    together, _ = run(task_of(case, method))
    for sample in range(5):
        one = replace(case, x=case.x[sample : sample + 1], y=case.y[sample : sample + 1])
        alone, _ = run(task_of(one, method))
        np.testing.assert_allclose(present(alone.input)[0], present(together.input)[sample], rtol=0, atol=1e-14)


@pytest.mark.parametrize("method", ["state", "error"])
def test_given_variables_start_beside_the_input(method: str) -> None:
    case = make_case()
    settled, rows = run(task_of(case, method, initial=case.states, steps=0))
    np.testing.assert_array_equal(present(settled.input), case.x)
    given = present(rows.states) if method == "state" else present(rows.errors)
    for array, start in zip(given, case.states, strict=False):
        np.testing.assert_array_equal(array[0], start)


def test_a_divergence_names_layers_as_outside() -> None:
    case = make_case(widths=(3, 4, 4, 2))
    states = (np.full((4, 4), 1e200), case.states[1])
    settled, _ = run(task_of(case, initial=states))
    assert "the energy of layer 0 is not finite at step 0" in present(settled.failure)


def test_a_stop_rule_waits_for_the_input() -> None:
    case = make_case()
    settled, rows = run(task_of(case, stop=StopRule(0.2), steps=500))
    assert settled.converged

    def total(moving: Any) -> Any:
        return case.oracle.energy_of_states(moving[1], case.parameters, moving[0], case.y)

    slopes = jax.grad(total)((present(settled.input), settled.states[:-1]))
    norms = np.sqrt(sum(np.sum(np.square(g), axis=1) for g in (slopes[0], *slopes[1])))
    assert 0.1 < norms.max() <= 0.2
    assert len(rows.clock) == settled.steps_taken + 1


@pytest.mark.parametrize(
    ("backend", "method"),
    [
        *((NumpyBackend(), method) for method in MOVING),
        pytest.param(JaxBackend(), "state", marks=[pytest.mark.exhaustive, pytest.mark.xla]),
        pytest.param(JaxBackend(), "error", marks=[pytest.mark.exhaustive, pytest.mark.xla]),
    ],
)
def test_without_a_target_the_feedforward_pass_is_at_rest(method: str, backend: Backend) -> None:
    case = make_case(**NETWORKS["mupc-skips"])
    case = replace(case, energy=replace(case.energy, loss=NoTarget(), decays=(0.0,) * 4))
    blocks: list[Block] = []
    still = backend.settle(task_of(case, method), blocks.append, lambda clock: False)
    forward = case.oracle.states_of_errors([np.zeros_like(s) for s in case.states], case.parameters, case.x)
    assert not present(join(blocks).energy).any()
    assert still.arrival_steps.tolist() == [-1] * 5
    for a, b in zip(still.states, forward, strict=False):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)
    np.testing.assert_array_equal(still.states[-1], still.output)
    task = task_of(case, method, initial=case.states, steps=400, stepper=Momentum(0.1, 0.7), recorded=(0,))
    moved = backend.settle(replace(task, stop=StopRule(1e-9)), blocks.append, lambda clock: False)
    for a, b in zip(moved.states, forward, strict=False):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-3)
    assert np.abs(present(blocks[-1].energy)[-1]).max() < 1e-5
