"""The exact backend beyond the conformance suite: bounds that hold, zeros that are exact, ends of runs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("flint", reason="needs python-flint")

from flint import arb, ctx
from pcsim_exact import ExactBackend, cost
from pcsim_exact import descent as loop
from pcsim_exact.namespace import ExactNamespace
from pcsim_exact.number.balls import Balls, from_floats
from pcsim_exact.number.sharing import with_shared_predictions

from pcsim.engine.backend import Settled, Task
from pcsim.inference import (
    ErrorOptimization,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.trace import Block
from tests.support.cases import ACTIVATIONS, join, make_case, make_task, settle
from tests.support.covering import covering

METHODS: list[Any] = [StateOptimization, ErrorOptimization, SequentialStateOptimization]


def never(step: float) -> bool:
    return False


def exactly(task: Task, precision: str = "128 bits", poll: Callable[[float], bool] = never) -> tuple[Settled, Any, Any]:
    """Return what an exact run leaves, all its rows in one block, and the bounds (step, layer)."""
    blocks: list[Block] = []
    settled = loop.settle(replace(task, precision=precision), blocks.append, poll)
    rows = join(blocks)
    return settled, rows, rows.energy_bound


def energy_balls(task: Task, working: int) -> list[Balls]:
    """Run the core at a fixed working precision."""
    xp, inference = ExactNamespace(), with_shared_predictions(task.inference)
    with ctx.workprec(working):
        parameters = tuple({k: from_floats(v) for k, v in layer.items()} for layer in task.parameters)
        clamped = inference.clamp(xp, parameters, from_floats(task.x), from_floats(task.y))
        carry, rows = inference.begin(xp, clamped, None, task.descent.stepper), list[Balls]()
        for step in range(task.descent.steps + 1):
            point = inference.evaluate(xp, clamped, carry)
            rows.append(inference.energy.layerwise(xp, clamped, point))
            carry = inference.advance(xp, clamped, point, carry, task.descent.stepper, arb(step + 1))
    return rows


@covering(method=METHODS, activation=list(ACTIVATIONS))
def test_balls_at_128_bits_meet_those_at_256_and_512(method: Any, activation: str) -> None:
    case = make_case(activation, loss="cross-entropy", batch=2)
    task = make_task(case, method(case.energy), steps=8)
    # Both hold the true value, so they overlap; the finer one may stick out where that lies at the very edge.
    narrow = energy_balls(task, 128)
    for working in (256, 512):
        for row, finer in zip(narrow, energy_balls(task, working), strict=True):
            assert all(a.overlaps(b) for a, b in zip(row.entries.flat, finer.entries.flat, strict=True))


FORMS: dict[str, tuple[Any, Any]] = {
    "state": (StateOptimization, IncrementStateOptimization),
    "sequential": (SequentialStateOptimization, IncrementSequentialStateOptimization),
}


@covering(forms=FORMS, activation=list(ACTIVATIONS), options=[{}, {"skip": 2, "activation_first": True}])
def test_the_increment_form_is_the_same_map(forms: Any, activation: str, options: dict[str, Any]) -> None:
    standard, increment = forms
    case = make_case(activation, loss="cross-entropy", batch=2, **options)
    settled, rows, _ = exactly(make_task(case, standard(case.energy), steps=5))
    other, others, _ = exactly(make_task(case, increment(case.energy), steps=5))
    np.testing.assert_array_equal(rows.energy, others.energy)
    np.testing.assert_array_equal(rows.grad_norm, others.grad_norm)
    np.testing.assert_array_equal(settled.arrival_steps, other.arrival_steps)


def test_bounds_hold_the_energies_at_twice_the_bits_and_at_four_times() -> None:
    task = make_task(make_case("gelu", loss="cross-entropy", batch=3), steps=12)
    _, rows, bounds = exactly(task, "128 bits")
    for bits in (256, 512):
        _, finer, _ = exactly(task, f"{bits} bits")
        assert (np.abs(rows.energy - finer.energy) <= bounds).all()


def test_bounds_belong_to_the_recorded_means() -> None:
    task = make_task(make_case("tanh", batch=7), steps=5)
    _, rows, bounds = exactly(task)
    with ctx.workprec(400):
        for i, row in enumerate(energy_balls(task, 400)):
            for layer, mean in enumerate(row.entries.sum(axis=1) / 7):
                reported, bound = rows.energy[i, layer].item(), bounds[i, layer].item()
                assert (arb(reported) + arb(0, bound)).contains(mean)


@pytest.mark.parametrize("activation", ["gelu", "relu", "tanh"])
def test_the_layer_at_distance_i_arrives_at_step_i_and_is_exactly_zero_before(activation: str) -> None:
    widths = (5, *(8,) * 14, 3)
    case = make_case(activation, widths=widths, batch=1, loss="cross-entropy")
    settled, rows, bounds = exactly(make_task(case, stepper=GradientDescent(1e-3), steps=20))
    assert settled.arrival_steps.tolist() == list(range(14, -1, -1))
    for layer, arrival in enumerate(settled.arrival_steps):
        assert (rows.energy[:arrival, layer] == 0).all()
        assert (bounds[:arrival, layer] == 0).all()
        assert (rows.energy[arrival:, layer] > 0).all()


def test_too_few_guard_bits_start_the_run_again_without_a_trace_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(make_case("gelu", widths=(5, *(8,) * 10, 3)), steps=30)
    expected_settled, expected, expected_bounds = exactly(task)
    used: list[int] = []

    def poll(step: float) -> bool:
        used.append(ctx.prec)
        return False

    monkeypatch.setattr(loop, "first_guess", lambda task, bits: bits + 20)  # pyright: ignore
    settled, rows, bounds = exactly(task, poll=poll)
    assert used[0] == 148 < used[-1]
    assert used == sorted(used)
    assert used.count(used[-1]) == task.descent.steps + 1
    np.testing.assert_array_equal(rows.clock, expected.clock)
    np.testing.assert_array_equal(rows.energy, expected.energy)
    np.testing.assert_array_equal(bounds, expected_bounds)
    np.testing.assert_array_equal(settled.arrival_steps, expected_settled.arrival_steps)


def test_balls_that_grow_too_wide_end_the_run_with_the_bits_it_would_need(monkeypatch: pytest.MonkeyPatch) -> None:
    task = make_task(make_case("gelu"), steps=40)
    monkeypatch.setattr(loop, "first_guess", lambda task, bits: bits + 30)  # pyright: ignore
    monkeypatch.setattr(cost, "LONGEST_SECONDS", cost.estimated_seconds(task, 170))
    settled, rows, _ = exactly(task)
    assert settled.failure is not None
    assert "the balls grow too wide at step" in settled.failure
    assert "bits of working precision" in settled.failure
    assert rows.clock.tolist() == list(range(settled.steps_taken))


def test_a_stop_rule_ends_the_run() -> None:
    task = make_task(make_case("tanh"), stepper=GradientDescent(0.3), steps=5000, stop=StopRule(1e-2))
    expected, _ = settle(task)
    settled, rows, _ = exactly(task)
    assert settled.converged
    assert settled.steps_taken == expected.steps_taken == rows.clock[-1]


def test_polling_can_stop_a_run() -> None:
    blocks: list[Block] = []
    task = make_task(make_case(), steps=10, precision="exact")
    settled = ExactBackend().settle(task, blocks.append, lambda step: step == 3)
    assert settled.interrupted
    assert join(blocks).clock.tolist() == [0, 1, 2, 3]


def test_divergence_ends_the_run_where_float64_ends() -> None:
    task = make_task(make_case("linear", gain=2.0), stepper=GradientDescent(1e6), steps=100)
    settled, rows, _ = exactly(task)
    assert settled.failure is not None
    assert "is not finite at step" in settled.failure
    assert rows.clock[-1] == settled.steps_taken


def test_gelu_is_enclosed_to_the_last_bit() -> None:
    """Against flint's own expression: no constant of the program may enter rounded to float64."""
    points = np.array([[-3.0, -0.7, 0.0, 0.5, 4.0]])
    with ctx.workprec(256):
        value, slope = ACTIVATIONS["gelu"].forward(ExactNamespace(), from_floats(points))
    with ctx.workprec(512):
        for x, ours, theirs in zip(points[0], value.entries[0], slope.entries[0], strict=True):
            phi = (-arb(x) / arb(2).sqrt()).erfc() / 2
            density = (-(arb(x) ** 2) / 2).exp() / (2 * arb.pi()).sqrt()
            assert ours.contains(arb(x) * phi)
            assert theirs.contains(phi + arb(x) * density)
