"""The Numba backend against numpy: the same energies, gradients, arrivals and ends, in kernels."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pcsim_numba import NumbaBackend

from pcsim.engine.backend import Task
from pcsim.inference import Halving, with_free_input
from pcsim.inference.steppers import Adam, Decaying, GradientDescent, Momentum
from pcsim.inference.stopping import StopRule
from pcsim.trace import Block
from tests.conformance.agreement import NETWORKS, RECORD, assert_close, present, settle_on, small
from tests.conformance.agreement import assert_parity as assert_parity_of
from tests.support.cases import METHODS, join, make_case, make_task, settle

NUMBA = NumbaBackend()


def assert_parity(task: Task) -> None:
    assert_parity_of(NUMBA, task)


@pytest.mark.parametrize("activation", ["gelu", "tanh", "sigmoid"])
@pytest.mark.parametrize("network", NETWORKS)
def test_exact_zeros_at_the_start_in_float32(activation: str, network: str) -> None:
    task = make_task(small(activation, **NETWORKS[network]), record=("energy",), steps=3, precision="float32")
    (ours, rows), (theirs, reference) = settle_on(NUMBA, task), settle(task)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(present(rows.energy) == 0, present(reference.energy) == 0)
    # The standard form's errors are good to an ulp of the states.
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_from_a_start_of_ones_own(method: str) -> None:
    case = small("tanh")
    initial = case.states[: len(case.network.layers) - 1]
    inference = METHODS[method](case.energy)
    if method != "backprop":
        assert_parity(make_task(case, inference, record=RECORD, steps=4, initial=initial))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("stepper", [GradientDescent(1.5), Momentum(0.6), Adam(0.7)])
@pytest.mark.parametrize("method", [m for m in METHODS if m != "backprop"])
def test_step_sizes_are_halved_where_numpy_halves_them(method: str, stepper: Any, precision: str) -> None:
    case = make_case("tanh", widths=(5, 6, 6, 3), batch=7, decays=True, precisions=True)
    plain = METHODS[method](case.energy)
    task = make_task(case, Halving(plain), stepper=stepper, record=RECORD, steps=12, precision=precision)
    assert_parity(task)
    settled, whole = settle(task)[0], settle(replace(task, inference=plain))[0]
    assert any((a != b).any() for a, b in zip(settled.states, whole.states, strict=True))


def test_soft_clamping_and_a_sigmoid_output() -> None:
    case = small("sigmoid", clamp_precision=0.7, sigmoid_output=True)
    assert_parity(make_task(case, record=RECORD, steps=4))


@pytest.mark.parametrize("batch", [1, 7, 130])
def test_widths_and_batches_that_fill_no_tile(batch: int) -> None:
    case = make_case("tanh", widths=(9, 37, 70, 33, 3), batch=batch, bias=False)
    assert_parity(make_task(case, record=RECORD, steps=4))
    assert_parity(make_task(case, record=RECORD, steps=4, precision="float32"))


@pytest.mark.parametrize("stepper", [GradientDescent(0.2), Momentum(0.1), Adam(0.1)])
def test_step_sizes_that_decay(stepper: Any) -> None:
    assert_parity(make_task(small("tanh"), stepper=Decaying(stepper, 0.5), record=RECORD, steps=6))


@pytest.mark.parametrize(
    "rule", [StopRule(arrival=True), StopRule(relative_change=0.05), StopRule(0.02, 0.1, arrival=True)]
)
def test_stop_rules_end_where_numpys_do(rule: StopRule) -> None:
    case = make_case("tanh", batch=40, widths=(5, 40, 40, 40, 3))
    task = make_task(case, steps=900, stop=rule, record=("energy",), recorded=range(0, 901, 50))
    (ours, rows), (theirs, reference) = settle_on(NUMBA, task), settle(task)
    assert ours.converged
    assert ours.steps_taken == theirs.steps_taken < 900
    np.testing.assert_array_equal(rows.clock, reference.clock)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)


@pytest.mark.parametrize("method", ["state", "increment", "error", "sequential", "fixed"])
def test_a_free_input(method: str) -> None:
    case = small("tanh")
    task = make_task(case, with_free_input(METHODS[method](case.energy)), record=RECORD, steps=5)
    assert_parity(replace(task, parameters=({}, *task.parameters)))


def test_a_network_of_one_layer() -> None:
    assert_parity(make_task(make_case("linear", widths=(4, 3)), record=RECORD, steps=2))


@pytest.mark.parametrize("recorded", [range(0, 30, 7), (0, 1, 2, 5, 11, 29), range(0, 30, 100)])
def test_only_steps_that_are_asked_for(recorded: Any) -> None:
    task = make_task(small("tanh"), steps=29, recorded=recorded, record=("energy", "grad_norm"))
    (_, rows), (_, reference) = settle_on(NUMBA, task), settle(task)
    np.testing.assert_array_equal(rows.clock, reference.clock)
    assert_close(present(rows.grad_norm), present(reference.grad_norm), 1e-10)


def test_a_stop_rule_ends_where_numpys_does() -> None:
    case = make_case("tanh", batch=40, widths=(5, 40, 40, 40, 3))
    task = make_task(case, steps=3000, stop=StopRule(grad_norm=1e-3), record=("energy",), recorded=range(0, 3001, 50))
    (ours, rows), (theirs, reference) = settle_on(NUMBA, task), settle(task)
    assert ours.converged
    assert ours.steps_taken == theirs.steps_taken < 3000
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(rows.clock, reference.clock)
    for a, b in zip(ours.states, theirs.states, strict=True):
        assert_close(a, b, 1e-9)


def test_divergence_is_found_at_its_step() -> None:
    case = small("linear", gain=2.0)
    task = make_task(case, stepper=GradientDescent(50.0), steps=2000, record=("energy",))
    (ours, rows), (theirs, reference) = settle_on(NUMBA, task), settle(task)
    assert ours.failure == theirs.failure
    assert "diverged" in str(ours.failure)
    np.testing.assert_array_equal(rows.clock, reference.clock)


@pytest.mark.parametrize("after", [-1, 0])
def test_an_interruption_ends_the_run_with_what_was_recorded(after: int) -> None:
    task = make_task(small("tanh"), steps=10**6, recorded=range(0, 10**6, 1000), record=("energy",))
    blocks: list[Block] = []
    settled = NUMBA.settle(task, blocks.append, lambda clock: clock > after)
    assert settled.interrupted
    assert after < settled.steps_taken < 10**6
    assert join(blocks).clock[-1] == settled.steps_taken


def test_more_rows_than_are_held_at_once() -> None:
    task = make_task(small("linear"), steps=3000, record=("energy",))
    (_, rows), (_, reference) = settle_on(NUMBA, task), settle(task)
    np.testing.assert_array_equal(rows.clock, reference.clock)
    assert_close(present(rows.energy), present(reference.energy), 1e-10)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_samples_do_not_know_their_batch_nor_runs_the_hour(precision: str) -> None:
    case = make_case("gelu", widths=(20, 40, 40, 40, 10), batch=100)
    task = make_task(case, record=("energy_per_sample",), steps=40, precision=precision)
    (whole, rows), (again, same) = settle_on(NUMBA, task), settle_on(NUMBA, task)
    (part, _) = settle_on(NUMBA, replace(task, x=task.x[50:57], y=task.y[50:57]))
    np.testing.assert_array_equal(present(rows.energy_per_sample), present(same.energy_per_sample))
    for a, b, c in zip(whole.states, again.states, part.states, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a[50:57], c)


def test_numba_is_imported_only_to_run() -> None:
    program = """
import sys, pcsim, pcsim_numba
assert pcsim_numba.NumbaBackend().capabilities().problem is None
assert not {"numba", "llvmlite"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> None:
        assert name == "numba"

    monkeypatch.setattr("pcsim_numba.backend.find_spec", not_found)
    able = NUMBA.capabilities()
    assert able.problem == "not installed: numba"
    assert able.fix == "install it with: pip install 'pcsim[numba]'"
