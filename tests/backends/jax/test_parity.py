"""The JAX backend against numpy: the same energies, gradients, arrivals and ends, compiled."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pcsim_jax import JaxBackend, compiled
from pcsim_jax.arrays import arguments
from pcsim_jax.training import gradient_step

from pcsim.engine.backend import Settled, Task
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.trace import Block
from tests.conformance.agreement import NETWORKS, RECORD, assert_close, present, settle_on, small
from tests.conformance.agreement import assert_parity as assert_parity_of
from tests.support.cases import LOSSES, METHODS, join, make_case, make_task, settle


def jax_settle(task: Task) -> tuple[Settled, Block]:
    return settle_on(JaxBackend(), task)


def assert_parity(task: Task) -> None:
    assert_parity_of(JaxBackend(), task)


def compilations() -> int:
    return compiled._compile.cache_info().misses  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("activation", ["gelu", "tanh", "sigmoid"])
@pytest.mark.parametrize("network", NETWORKS)
def test_exact_zeros_at_the_start_in_float32(activation: str, network: str) -> None:
    # Where XLA contracts s − a·b, layers that no signal has reached get errors of half an ulp.
    task = make_task(small(activation, **NETWORKS[network]), record=("energy",), steps=3, precision="float32")
    (ours, rows), (theirs, reference) = jax_settle(task), settle(task)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(present(rows.energy) == 0, present(reference.energy) == 0)
    # The standard form's errors are good to an ulp of the states.
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=1e-3)


def test_soft_clamping_and_a_start_of_ones_own() -> None:
    case = small("sigmoid", clamp_precision=0.7, sigmoid_output=True)
    assert_parity(make_task(case, record=RECORD, steps=4, initial=case.states[: len(case.network.layers) - 1]))


@pytest.mark.parametrize("method", ["state", "increment", "error"])
def test_bfloat16_gives_numpys_bits(method: str) -> None:
    case = make_case("gelu", widths=(4, *(16,) * 6, 3), loss="cross-entropy", mupc=True, skip=1)
    task = make_task(
        case, METHODS[method](case.energy), stepper=GradientDescent(0.3), record=RECORD, steps=8, precision="bfloat16"
    )
    (ours, rows), (theirs, reference) = jax_settle(task), settle(task)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    for a, b in zip(rows.errors or (), reference.errors or (), strict=True):
        # Products are summed in another order, which now and then rounds to the neighbour.
        assert (a == b).mean() > 0.95
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=0.05)


@pytest.mark.parametrize("loss", LOSSES)
def test_bfloat16_computes_every_loss_in_the_wide_type(loss: str) -> None:
    case = small("tanh", loss=loss)
    task = make_task(case, record=("energy", "grad_norm"), steps=3, precision="bfloat16")
    (_, rows), (_, reference) = jax_settle(task), settle(task)
    np.testing.assert_allclose(present(rows.energy)[:, -1], present(reference.energy)[:, -1], rtol=1e-3)


@pytest.mark.parametrize("recorded", [range(0, 30, 7), (0, 1, 2, 5, 11, 29), range(0, 30, 100)])
def test_only_steps_that_are_asked_for(recorded: Any) -> None:
    case = small("tanh")
    task = make_task(case, steps=29, recorded=recorded, record=("energy", "grad_norm"))
    (_, rows), (_, reference) = jax_settle(task), settle(task)
    np.testing.assert_array_equal(rows.clock, reference.clock)
    assert_close(present(rows.grad_norm), present(reference.grad_norm), 1e-10)


def test_a_stop_rule_ends_where_numpys_does() -> None:
    case = small("tanh")
    task = make_task(case, steps=3000, stop=StopRule(1e-3), record=("energy",), recorded=range(0, 3001, 50))
    (ours, rows), (theirs, reference) = jax_settle(task), settle(task)
    assert ours.converged
    assert ours.steps_taken == theirs.steps_taken < 3000
    np.testing.assert_array_equal(rows.clock, reference.clock)
    for a, b in zip(ours.states, theirs.states, strict=True):
        assert_close(a, b, 1e-9)


def test_divergence_is_found_at_its_step() -> None:
    case = small("linear", gain=2.0)
    task = make_task(case, stepper=GradientDescent(50.0), steps=2000, record=("energy",))
    (ours, rows), (theirs, reference) = jax_settle(task), settle(task)
    assert ours.failure == theirs.failure
    assert "diverged" in str(ours.failure)
    np.testing.assert_array_equal(rows.clock, reference.clock)


def test_an_interruption_ends_the_run_with_what_was_recorded() -> None:
    task = make_task(small("tanh"), steps=10**6, recorded=range(0, 10**6, 1000), record=("energy",))
    blocks: list[Block] = []
    settled = JaxBackend().settle(task, blocks.append, lambda clock: clock > 0)
    assert settled.interrupted
    assert 0 < settled.steps_taken < 10**6
    assert join(blocks).clock[-1] == settled.steps_taken


def test_more_rows_than_fit_on_the_device_at_once() -> None:
    task = make_task(small("linear"), steps=3000, record=("energy",))
    (_, rows), (_, reference) = jax_settle(task), settle(task)
    np.testing.assert_array_equal(rows.clock, reference.clock)
    assert_close(present(rows.energy), present(reference.energy), 1e-10)


def test_other_numbers_of_steps_compile_nothing() -> None:
    case = small("relu")
    jax_settle(make_task(case, steps=4))
    before = compilations()
    jax_settle(make_task(case, steps=9, recorded=(0, 3)))
    assert compilations() == before


def test_more_steps_than_fit_into_32_bits_can_be_asked_for() -> None:
    task = make_task(small("linear"), steps=3_000_000_000, recorded=range(0, 3_000_000_001, 10**9), record=("energy",))
    settled = JaxBackend().settle(task, lambda block: None, lambda clock: clock > 0)
    assert settled.interrupted


@pytest.mark.parametrize("method", ["state", "error", "increment"])
def test_the_compiled_training_step_has_the_gradient_of_a_run(method: str) -> None:
    case = small("tanh")
    task = make_task(case, METHODS[method](case.energy), steps=5, record=("energy", "weight_gradient"))
    theirs, rows = settle(task)
    step = gradient_step(task.inference, task.descent.stepper, "float64")
    parameters, x, y, _ = arguments(task)
    before = compilations()
    for count in (2, 5):
        ours = step(parameters, x, y, count)
    assert compilations() == before + 1
    assert_close(np.asarray(ours.layerwise).mean(axis=1), present(rows.energy)[-1], 1e-10)
    assert np.asarray(ours.has_signal).all()
    for a, b in zip(ours.gradient, theirs.gradient, strict=True):
        for key in b:
            assert_close(np.asarray(a[key]), b[key], 1e-10)


def test_samples_do_not_know_their_batch() -> None:
    case = make_case("tanh", batch=8)
    task = make_task(case, record=("states",), steps=6)
    half = replace(task, x=task.x[:3], y=task.y[:3])
    (whole, _), (part, _) = jax_settle(task), jax_settle(half)
    for a, b in zip(whole.states, part.states, strict=True):
        np.testing.assert_allclose(a[:3], b, rtol=1e-12, atol=1e-14)


def test_float64_stays_in_the_run() -> None:
    program = """
import jax, jax.numpy as jnp, numpy as np, pcsim
from pcsim_jax.arrays import to_run
assert to_run(np.zeros(2), "float64").dtype == jnp.float64
seen = []
pcsim.run(pcsim.read_scenario("sequential", ["inference.steps=2"]), backend="jax", precision="float64",
          progress=lambda step, end: seen.append(jnp.zeros(2).dtype)).close()
assert set(map(str, seen)) == {"float32"}
with pcsim.run(pcsim.read_scenario("sequential", ["inference.steps=2"]), backend="jax", precision="float64") as trace:
    assert trace.final_states[0].dtype == "float64"
assert not jax.config.jax_enable_x64
assert jnp.zeros(2).dtype == jnp.float32
"""
    subprocess.run([sys.executable, "-c", program], check=True)
