"""Masked samples: known units of an end stay clamped, the others move or have no target."""

from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from pcsim_cupy import support as cupy_support
from pcsim_exact import ExactBackend
from pcsim_jax import JaxBackend
from pcsim_numba import support as numba_support
from pcsim_numpy import NumpyBackend

from pcsim.engine.backend import Backend, Flow, Settled, Task
from pcsim.engine.free_input import FreeInputBackend
from pcsim.errors import UsageError
from pcsim.inference import with_free_input
from pcsim.inference.steppers import GradientDescent, Momentum
from pcsim.inference.stopping import StopRule
from pcsim.model.layers import Dense, dense_layer, read_as_dense
from pcsim.model.losses import PartlyClamped, SoftClampedSquaredError, SquaredError
from pcsim.trace import Block
from tests.support.cases import METHODS, XP, Case, join, make_case, make_task, settle

pytestmark = pytest.mark.usefixtures("jax_in_double")

RECORD = ("energy", "grad_norm", "energy_per_sample", "states", "errors", "weight_gradient")
MOVING = ("state", "increment", "error", "sequential", "sequential-increment")
HELD = (True, False, True, False, False)
MASKED = (False, True, False)
RATE, STEPS = 0.1, 8


def task_of(case: Case, method: str = "state", **options: Any) -> Task:
    chosen: dict[str, Any] = {"steps": STEPS, "stepper": GradientDescent(RATE), "record": RECORD} | options
    return make_task(case, METHODS[method](case.energy), **chosen)


def run(task: Task, backend: Backend | None = None) -> tuple[Settled, Block]:
    """Run a task with a masked input."""
    blocks = list[Block]()
    settled = FreeInputBackend(backend or NumpyBackend(), HELD).settle(task, blocks.append, lambda clock: False)
    return settled, join(blocks)


def present(array: Any) -> Any:
    assert array is not None
    return array


def masked_output(case: Case) -> Case:
    return replace(case, energy=replace(case.energy, loss=PartlyClamped(SquaredError(), MASKED)))


@pytest.mark.parametrize("method", ["state", "increment", "error"])
def test_masked_units_descend_and_known_ones_stay(method: str) -> None:
    case = make_case(activation_first=True, skip=2, mupc=True, decays=True)
    settled, _ = run(task_of(case, method))
    of_states = method != "error"
    oracle, fixed = case.oracle, (case.parameters,)
    states = oracle.states_of_errors([np.zeros_like(s) for s in case.states], *fixed, case.x)
    moving = states if of_states else [np.zeros_like(s) for s in states]
    energy = oracle.energy_of_states if of_states else oracle.energy_of_errors

    def total(variables: Any) -> Any:
        return energy(variables[1], *fixed, variables[0], case.y)

    slopes = jax.jit(jax.grad(total))
    x = case.x
    for _ in range(STEPS):
        down, downs = slopes((x, moving))
        x = x - RATE * np.where(HELD, 0.0, down)
        moving = [z - RATE * d for z, d in zip(moving, downs, strict=True)]
    inferred = present(settled.input)
    np.testing.assert_allclose(inferred, x, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(inferred[:, HELD], case.x[:, HELD])
    assert np.abs(inferred - case.x)[:, ~np.array(HELD)].min() > 1e-6


@pytest.mark.parametrize("method", MOVING)
def test_a_linear_network_infers_the_least_squares_units(method: str) -> None:
    case = make_case("linear", widths=(5, 6, 6, 4), batch=2, gain=1.0)
    stepper = Momentum(0.3, 0.7)
    settled, _ = run(task_of(case, method, steps=3000, recorded=(0,), stepper=stepper, stop=StopRule(1e-8)))
    matrices = [p["W"].T for p in case.parameters]
    after = [np.eye(4)]
    for matrix in reversed(matrices[1:]):
        after.insert(0, after[0] @ matrix)
    metric = np.linalg.inv(sum(a @ a.T for a in after))
    whole, free = after[0] @ matrices[0], ~np.array(HELD)
    rest = case.y - sum(a @ p["b"] for a, p in zip(after, case.parameters, strict=True)) - (case.x * HELD) @ whole.T
    some = whole[:, free]
    best = rest @ np.linalg.solve(some.T @ metric @ some, some.T @ metric).T
    assert settled.converged
    np.testing.assert_allclose(present(settled.input)[:, free], best, rtol=0, atol=1e-6)


@pytest.mark.parametrize("clamp_precision", [None, 2.0])
@pytest.mark.parametrize("method", MOVING)
def test_masked_targets_are_as_if_their_units_were_not_there(method: str, clamp_precision: float | None) -> None:
    case = make_case(clamp_precision=clamp_precision)
    loss: Any = SquaredError() if clamp_precision is None else SoftClampedSquaredError(clamp_precision)
    whole = replace(case, energy=replace(case.energy, loss=PartlyClamped(loss, MASKED)))
    ours, rows = settle(task_of(whole, method))
    known = ~np.array(MASKED)
    dense = present(read_as_dense(case.network.layers[-1]))
    last = dense_layer(replace(dense, dense=Dense(present(dense.dense).n_in, 2)))
    network = replace(case.network, layers=(*case.network.layers[:-1], last))
    cut = {"W": case.parameters[-1]["W"][:, known], "b": case.parameters[-1]["b"][known]}
    energy = replace(case.energy, network=network)
    small = replace(case, energy=energy, parameters=(*case.parameters[:-1], cut), y=case.y[:, known])
    theirs, reference = settle(task_of(small, method))
    np.testing.assert_allclose(rows.energy, reference.energy, rtol=1e-12, atol=1e-16)
    for a, b in zip(ours.states[:-1], theirs.states[:-1], strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(ours.states[-1][:, ~known], ours.output[:, ~known])
    np.testing.assert_allclose(ours.states[-1][:, known], theirs.states[-1], rtol=0, atol=1e-13)
    assert not ours.gradient[-1]["W"][:, ~known].any()


@pytest.mark.exhaustive
def test_a_flow_moves_masked_units_alone() -> None:
    case = masked_output(make_case("linear", widths=(5, 6, 3), batch=2, gain=1.0))
    task = task_of(case, motion=Flow("dopri5", (0.0, 2.0), rtol=1e-8, atol=1e-10))
    (ours, _), (theirs, _) = run(task), run(task, JaxBackend())
    small, _ = run(task_of(case, steps=100, recorded=(0,), stepper=GradientDescent(0.02)))
    for found in (ours, theirs):
        inferred = present(found.input)
        np.testing.assert_array_equal(inferred[:, HELD], case.x[:, HELD])
        np.testing.assert_allclose(inferred, present(small.input), rtol=0, atol=3e-2)
    np.testing.assert_allclose(present(ours.input), present(theirs.input), rtol=0, atol=1e-6)


def test_exact_arithmetic_bounds_numpys_energies() -> None:
    pytest.importorskip("flint", reason="needs python-flint")
    case = masked_output(make_case(widths=(5, 4, 3), batch=2))
    task = task_of(case, steps=4)
    (ours, rows), (theirs, reference) = run(replace(task, precision="exact"), ExactBackend()), run(task)
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=1e-10, atol=1e-28)
    np.testing.assert_allclose(present(ours.input), present(theirs.input), rtol=0, atol=1e-13)


def test_kernels_refuse_masks() -> None:
    case = make_case()
    inside = with_free_input(METHODS["state"](case.energy), HELD)
    for inference in (METHODS["error"](masked_output(case).energy), inside):
        with pytest.raises(UsageError, match="numba has no kernels for masked inputs and outputs"):
            numba_support.check(inference, GradientDescent(RATE))
        with pytest.raises(UsageError, match="cupy has no kernels for masked inputs and outputs"):
            cupy_support.check(inference, GradientDescent(RATE))
    numba_support.check(with_free_input(METHODS["state"](case.energy)), GradientDescent(RATE))


def test_the_curvature_of_a_masked_loss_is_that_of_its_error() -> None:
    rng = np.random.default_rng(0)
    output, target, v = rng.standard_normal((3, 2, 3))
    for loss in (PartlyClamped(SquaredError(), MASKED), PartlyClamped(SoftClampedSquaredError(2.0), MASKED)):
        moved = loss.error(XP, output - v, target) - loss.error(XP, output, target)
        np.testing.assert_allclose(loss.curvature(XP, output, target, v), moved, rtol=0, atol=1e-15)
        assert loss.curvature_bound(XP, target) == pytest.approx(np.abs(moved / v).max(), rel=1e-12)
