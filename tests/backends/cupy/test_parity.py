"""The CuPy backend against numpy: the same energies, gradients, arrivals and ends; its kernels run on the CPU too."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from pcsim_cupy import CupyBackend

from pcsim.errors import UsageError
from pcsim.inference import ErrorOptimization, Halving, IncrementStateOptimization, StateOptimization, with_free_input
from pcsim.inference.steppers import Adam, Decaying, GradientDescent, Momentum
from pcsim.inference.stopping import StopRule
from pcsim.model.arithmetic import Arithmetic
from pcsim.model.losses import NoTarget
from pcsim.trace import Block
from tests.backends.cupy.devices import BACKENDS, needs_compiler
from tests.conformance.agreement import NETWORKS, RECORD, assert_close, assert_parity, present, settle_on, small
from tests.conformance.combinations import sample, task_of
from tests.shim.device import CpuCupyBackend
from tests.support.cases import ACTIVATIONS, LOSSES, METHODS, join, make_case, make_task, settle
from tests.support.narrow import unit

NARROW_EPSILON = {"bfloat16": 2.0**-7, "float16": 2.0**-10}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> CupyBackend:
    return request.param


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_state_optimization_in_every_network(backend: CupyBackend, activation: str, network: str) -> None:
    assert_parity(backend, make_task(small(activation, **NETWORKS[network]), record=RECORD, steps=6))


@pytest.mark.parametrize("activation", ["gelu", "tanh", "sigmoid"])
@pytest.mark.parametrize("network", NETWORKS)
def test_exact_zeros_at_the_start_in_float32(backend: CupyBackend, activation: str, network: str) -> None:
    task = make_task(small(activation, **NETWORKS[network]), record=("energy",), steps=3, precision="float32")
    (ours, rows), (theirs, reference) = settle_on(backend, task), settle(task)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(present(rows.energy) == 0, present(reference.energy) == 0)
    # The standard form's errors are good to an ulp of the states.
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=1e-3)


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("method", list(METHODS)[1:])
def test_every_method(backend: CupyBackend, method: str, precision: str) -> None:
    case = small(skip=1, mupc=True)
    steps = 1 if method == "backprop" else 5
    assert_parity(
        backend, make_task(case, METHODS[method](case.energy), record=RECORD, steps=steps, precision=precision)
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_with_long_skips_precisions_and_decay(backend: CupyBackend, method: str) -> None:
    case = small("tanh", skip=2, precisions=True, decays=True)
    assert_parity(
        backend, make_task(case, METHODS[method](case.energy), record=RECORD, steps=1 if method == "backprop" else 5)
    )


@pytest.mark.parametrize("method", METHODS)
def test_every_method_from_a_start_of_ones_own(backend: CupyBackend, method: str) -> None:
    case = small("tanh")
    initial = case.states[: len(case.network.layers) - 1]
    inference = METHODS[method](case.energy)
    if method != "backprop":
        assert_parity(backend, make_task(case, inference, record=RECORD, steps=4, initial=initial))


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_with_a_stepper_that_remembers(backend: CupyBackend, loss: str) -> None:
    case = small("tanh", loss=loss)
    stepper = Adam(0.1) if loss == "cross-entropy" else Momentum(0.05)
    assert_parity(backend, make_task(case, ErrorOptimization(case.energy), stepper=stepper, record=RECORD, steps=5))
    assert_parity(backend, make_task(case, stepper=Adam(0.05), record=RECORD, steps=5, precision="float32"))


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_increment_form_in_every_network(
    backend: CupyBackend, activation: str, network: str, precision: str
) -> None:
    case = small(activation, **NETWORKS[network])
    assert_parity(
        backend, make_task(case, IncrementStateOptimization(case.energy), record=RECORD, steps=6, precision=precision)
    )


def test_soft_clamping_and_a_sigmoid_output(backend: CupyBackend) -> None:
    case = small("sigmoid", clamp_precision=0.7, sigmoid_output=True)
    assert_parity(backend, make_task(case, record=RECORD, steps=4))


@pytest.mark.parametrize("batch", [1, 7, 130])
def test_widths_and_batches_that_fill_no_tile(backend: CupyBackend, batch: int) -> None:
    case = make_case("tanh", widths=(9, 37, 70, 33, 3), batch=batch, bias=False)
    assert_parity(backend, make_task(case, record=RECORD, steps=4))
    assert_parity(backend, make_task(case, record=RECORD, steps=4, precision="float32"))


@pytest.mark.parametrize("stepper", [GradientDescent(0.2), Momentum(0.1), Adam(0.1)])
def test_step_sizes_that_decay(backend: CupyBackend, stepper: Any) -> None:
    assert_parity(backend, make_task(small("tanh"), stepper=Decaying(stepper, 0.5), record=RECORD, steps=6))


def test_a_free_output(backend: CupyBackend) -> None:
    case = small("tanh")
    energy = replace(case.energy, loss=NoTarget())
    initial = case.states[: len(case.network.layers) - 1]
    assert_parity(backend, make_task(case, StateOptimization(energy), initial=initial, record=RECORD, steps=4))


@pytest.mark.parametrize(
    "rule", [StopRule(arrival=True), StopRule(relative_change=0.05), StopRule(0.02, 0.1, arrival=True)]
)
def test_stop_rules_end_where_numpys_do(backend: CupyBackend, rule: StopRule) -> None:
    case = make_case("tanh", batch=40, widths=(5, 40, 40, 40, 3))
    task = make_task(case, steps=900, stop=rule, record=("energy",), recorded=range(0, 901, 50))
    (ours, rows), (theirs, reference) = settle_on(backend, task), settle(task)
    assert ours.converged
    assert ours.steps_taken == theirs.steps_taken < 900
    np.testing.assert_array_equal(rows.clock, reference.clock)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)


def test_halving_is_refused(backend: CupyBackend) -> None:
    case = small("tanh")
    with pytest.raises(UsageError, match=r'no kernels for inference.step_halving; use backend = "jax" or "numpy"$'):
        backend.estimate(make_task(case, Halving(StateOptimization(case.energy))))


@pytest.mark.parametrize("method", ["state", "increment", "error", "sequential", "fixed"])
def test_a_free_input(backend: CupyBackend, method: str) -> None:
    case = small("tanh")
    task = make_task(case, with_free_input(METHODS[method](case.energy)), record=RECORD, steps=5)
    assert_parity(backend, replace(task, parameters=({}, *task.parameters)))


def test_a_network_of_one_layer(backend: CupyBackend) -> None:
    assert_parity(backend, make_task(make_case("linear", widths=(4, 3)), record=RECORD, steps=2))


@pytest.mark.parametrize("recorded", [range(0, 30, 7), (0, 1, 2, 5, 11, 29), range(0, 30, 100)])
def test_only_steps_that_are_asked_for(backend: CupyBackend, recorded: Any) -> None:
    task = make_task(small("tanh"), steps=29, recorded=recorded, record=("energy", "grad_norm"))
    (_, rows), (_, reference) = settle_on(backend, task), settle(task)
    np.testing.assert_array_equal(rows.clock, reference.clock)
    assert_close(present(rows.grad_norm), present(reference.grad_norm), 1e-10)


def test_a_stop_rule_ends_where_numpys_does(backend: CupyBackend) -> None:
    case = make_case("tanh", batch=40, widths=(5, 40, 40, 40, 3))
    task = make_task(case, steps=3000, stop=StopRule(grad_norm=1e-3), record=("energy",), recorded=range(0, 3001, 50))
    (ours, rows), (theirs, reference) = settle_on(backend, task), settle(task)
    assert ours.converged
    assert ours.steps_taken == theirs.steps_taken < 3000
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(rows.clock, reference.clock)
    for a, b in zip(ours.states, theirs.states, strict=True):
        assert_close(a, b, 1e-9)


def test_divergence_is_found_at_its_step(backend: CupyBackend) -> None:
    case = small("linear", gain=2.0)
    task = make_task(case, stepper=GradientDescent(50.0), steps=2000, record=("energy",))
    (ours, rows), (theirs, reference) = settle_on(backend, task), settle(task)
    assert ours.failure == theirs.failure
    assert "diverged" in str(ours.failure)
    np.testing.assert_array_equal(rows.clock, reference.clock)


@pytest.mark.parametrize("after", [-1, 0])
def test_an_interruption_ends_the_run_with_what_was_recorded(backend: CupyBackend, after: int) -> None:
    task = make_task(small("tanh"), steps=10**6, recorded=range(0, 10**6, 1000), record=("energy",))
    blocks: list[Block] = []
    settled = backend.settle(task, blocks.append, lambda clock: clock > after)
    assert settled.interrupted
    assert after < settled.steps_taken < 10**6
    assert join(blocks).clock[-1] == settled.steps_taken


@pytest.mark.parametrize("rows", [2, 6, 64])
def test_more_steps_than_the_device_holds_rows_of(
    backend: CupyBackend, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcsim_cupy.kernels.buffers.MOST_ROWS", rows)
    task = make_task(small("linear"), steps=150, record=("energy",))
    (ours, seen), (theirs, reference) = settle_on(backend, task), settle(task)
    np.testing.assert_array_equal(seen.clock, reference.clock)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    assert_close(present(seen.energy), present(reference.energy), 1e-10)


def test_a_stop_rule_that_is_met_while_the_next_stretch_runs(
    backend: CupyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcsim.engine.loop.stretches.FIRST_STRETCH", 4)
    monkeypatch.setattr("pcsim.engine.loop.stretches.SECONDS", 1e-9)
    case = small("tanh")
    for method in ("state", "increment", "error", "sequential"):
        task = make_task(case, METHODS[method](case.energy), steps=200, stop=StopRule(grad_norm=0.02), record=RECORD)
        assert 0 < settle(task)[0].steps_taken < 200
        assert_parity(backend, task)


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16", "float16"])
def test_runs_repeat_to_the_bit(backend: CupyBackend, precision: str) -> None:
    case = make_case("gelu", widths=(20, 40, 40, 40, 10), batch=70)
    task = make_task(case, record=("energy_per_sample", "weight_gradient"), steps=20, precision=precision)
    (once, rows), (again, same) = settle_on(backend, task), settle_on(backend, task)
    np.testing.assert_array_equal(present(rows.energy_per_sample), present(same.energy_per_sample))
    for a, b in zip((*once.states, *once.errors), (*again.states, *again.errors), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize(
    ("method", "activation"), [*((method, "gelu") for method in METHODS), *(("state", name) for name in ACTIVATIONS)]
)
def test_narrow_runs_stay_as_near_to_float64_as_numpys(
    backend: CupyBackend, method: str, activation: str, precision: str
) -> None:
    case = small(activation, precisions=True, decays=True)
    steps = 1 if method == "backprop" else 5
    task = make_task(case, METHODS[method](case.energy), record=RECORD, steps=steps, precision=precision)
    (ours, rows), (theirs, reference) = settle_on(backend, task), settle(task)
    exact, wide = settle(replace(task, precision="float64"))
    np.testing.assert_array_equal(rows.clock, reference.clock)
    law = unit(precision).law
    for name in ("states", "errors"):
        for a, b, c in zip(getattr(ours, name), getattr(theirs, name), getattr(exact, name), strict=True):
            assert a.dtype == np.float32
            np.testing.assert_array_equal(law(a), a)
            # Rounding goes another way here and there, never much farther.
            unit_in_last_place = NARROW_EPSILON[precision] * max(float(np.abs(c).max()), 1.0)
            assert np.abs(a - c).max() <= 2.0 * np.abs(b - c).max() + 4.0 * unit_in_last_place
    ours_off, theirs_off = (np.abs(present(r.energy) - present(wide.energy)).max() for r in (rows, reference))
    assert ours_off <= 2.0 * theirs_off + NARROW_EPSILON[precision] * present(wide.energy).max()


@pytest.mark.parametrize("loss", [*LOSSES, "soft"])
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_every_loss_in_narrow_formats(backend: CupyBackend, loss: str, precision: str) -> None:
    chosen: dict[str, Any] = {"clamp_precision": 0.7} if loss == "soft" else {"loss": loss}
    case = small("tanh", **chosen)
    task = make_task(case, steps=1, record=RECORD, precision=precision)
    (ours, rows), (theirs, reference) = settle_on(backend, task), settle(task)
    epsilon = NARROW_EPSILON[precision]
    np.testing.assert_allclose(present(rows.energy), present(reference.energy), rtol=8 * epsilon, atol=epsilon**2)
    for a, b in zip(ours.states, theirs.states, strict=True):
        np.testing.assert_allclose(a, b, rtol=4 * epsilon, atol=4 * epsilon)


def test_rounding_of_another_kind_is_refused(backend: CupyBackend) -> None:
    task = make_task(small(), precision="bfloat16")
    for arithmetic in (Arithmetic(rounding="stochastic"), Arithmetic(accumulate="bfloat16")):
        with pytest.raises(UsageError, match=r"^cupy rounds to nearest and accumulates in float32; drop"):
            backend.estimate(replace(task, arithmetic=arithmetic))


@needs_compiler
def test_every_two_words_of_the_parity_suite_on_the_shim() -> None:
    for which in sample():
        assert_parity(CpuCupyBackend(), task_of(which))
