"""The dynamics: what each method does in a step, and what must hold whatever the network."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    FixedPredictions,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.inference.base import Moving
from pcsim.inference.steppers import Adam, GradientDescent, Momentum
from pcsim.inference.stopping import StopRule
from pcsim.model.arithmetic import FORMATS
from tests.support.cases import ACTIVATIONS, XP, make_case, make_task, settle
from tests.support.covering import covering, sampled

METHODS = [StateOptimization, ErrorOptimization, SequentialStateOptimization, FixedPredictions, Backprop]
INCREMENT_FORMS = [IncrementStateOptimization, IncrementSequentialStateOptimization]
NETWORKS: list[dict[str, Any]] = [
    {},
    {"activation_first": True},
    {"skip": 1},
    {"skip": 2},
    {"skip": 2, "activation_first": True},
    {"skip": 3},
    {"skip": 1, "mupc": True, "activation_first": True},
]


@covering(method=[*METHODS, *INCREMENT_FORMS], activation=list(ACTIVATIONS), options=NETWORKS, precision=list(FORMATS))
def test_hidden_energies_are_exactly_zero_after_a_feedforward_start(
    method: Any, activation: str, options: dict[str, Any], precision: str
) -> None:
    case = make_case(activation, **options)
    settled, rows = settle(make_task(case, method(case.energy), steps=0, precision=precision))
    assert (rows.energy[0, :-1] == 0.0).all()
    assert rows.energy[0, -1] > 0
    assert settled.arrival_steps.tolist() == [-1] * (len(case.network.layers) - 1) + [0]


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__)
def test_a_trajectory_does_not_depend_on_the_batch(method: Any) -> None:
    case = make_case("tanh", batch=7)
    _, together = settle(make_task(case, method(case.energy), record=("states", "errors", "energy_per_sample")))
    for sample in range(7):
        one = replace(case, x=case.x[sample : sample + 1], y=case.y[sample : sample + 1])
        _, alone = settle(make_task(one, method(case.energy), record=("states", "errors", "energy_per_sample")))
        for a, b in zip(alone.states, together.states, strict=True):
            np.testing.assert_allclose(a[:, 0], b[:, sample], rtol=0, atol=1e-14)
        np.testing.assert_allclose(
            alone.energy_per_sample[..., 0], together.energy_per_sample[..., sample], rtol=1e-12, atol=1e-28
        )


DECAYING: dict[str, Any] = {"precisions": True, "decays": True}


@pytest.mark.parametrize(
    "options", sampled([*NETWORKS, DECAYING], [str(o) for o in (NETWORKS[0], NETWORKS[4], DECAYING)])
)
def test_state_and_error_optimization_reach_the_same_equilibrium(options: dict[str, Any]) -> None:
    case = make_case("tanh", gain=0.6, widths=(4, 5, 5, 5, 5, 3), batch=2, **options)
    settings: dict[str, Any] = {
        "steps": 2500,
        "stepper": Momentum(0.05, 0.5),
        "stop": StopRule(1e-8),
        "record": ("weight_gradient",),
        "recorded": (0,),
    }
    by_state, _ = settle(make_task(case, StateOptimization(case.energy), **settings))
    by_error, _ = settle(make_task(case, ErrorOptimization(case.energy), **settings))
    in_sweeps, _ = settle(make_task(case, SequentialStateOptimization(case.energy), **settings))
    for other in (by_error, in_sweeps):
        assert other.converged
        for a, b in zip((*by_state.states, *by_state.errors), (*other.states, *other.errors), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
        for a, b in zip(by_state.gradient, other.gradient, strict=True):
            np.testing.assert_allclose(a["W"], b["W"], atol=1e-6)


def test_one_error_step_from_zero_is_backprop_scaled_by_the_step_size() -> None:
    case = make_case("gelu", loss="cross-entropy", skip=2)
    by_error, _ = settle(make_task(case, ErrorOptimization(case.energy), steps=1, stepper=GradientDescent(0.25)))
    backprop, _ = settle(make_task(case, Backprop(case.energy), steps=1))
    for a, b in zip(by_error.errors[:-1], backprop.errors[:-1], strict=True):
        np.testing.assert_array_equal(a, 0.25 * b)
    assert backprop.arrival_steps.tolist() == [1, 1, 1, 1, 0]


def test_the_signal_of_state_optimization_moves_one_layer_a_step() -> None:
    case = make_case("tanh")
    settled, rows = settle(make_task(case, steps=6))
    assert settled.arrival_steps.tolist() == [4, 3, 2, 1, 0]
    for i, arrival in enumerate(settled.arrival_steps):
        assert (rows.energy[:arrival, i] == 0).all()


def test_one_sweep_reaches_every_layer() -> None:
    case = make_case("tanh")
    settled, _ = settle(make_task(case, SequentialStateOptimization(case.energy), steps=1))
    assert settled.arrival_steps.tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("options", [*NETWORKS, {"precisions": True, "decays": True, "skip": 2}], ids=str)
def test_a_sweep_is_the_textbook_loop(options: dict[str, Any]) -> None:
    """Recompute everything from scratch before each layer's update: slow, plainly right."""
    case = make_case("gelu", **options)
    inference, state_wise = SequentialStateOptimization(case.energy), StateOptimization(case.energy)
    clamped = case.clamped()
    expected = list(case.states)
    for i in reversed(range(len(expected))):
        gradient = state_wise.evaluate(XP, clamped, Moving(tuple(expected), ())).gradient[i]
        expected[i] = expected[i] - 0.1 * gradient
    stepper = GradientDescent(0.1)
    carry = inference.begin(XP, clamped, case.states, stepper)
    ours = inference.advance(XP, clamped, inference.evaluate(XP, clamped, carry), carry, stepper, 1)
    for a, b in zip(ours.variables, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)


def test_fixed_predictions_follow_the_binomial_law_in_an_identity_chain() -> None:
    """EO paper eq. 4: with identity Jacobians the error at distance i is C(t, i) λ^i (1 − λ)^(t − i) r."""
    case = make_case("linear", widths=(3, 3, 3, 3, 3, 3), bias=False, batch=1)
    case = replace(case, parameters=tuple({"W": np.eye(3)} for _ in case.parameters))
    _, rows = settle(make_task(case, FixedPredictions(case.energy), steps=12, record=("errors",)))
    residual = case.y - case.x
    from math import comb

    for t in range(13):
        for distance in range(1, 5):
            weight = sum(comb(u, distance - 1) * 0.1**distance * 0.9 ** (u - distance + 1) for u in range(t))
            np.testing.assert_allclose(rows.errors[4 - distance][t, 0], weight * residual[0], rtol=1e-12, atol=1e-16)


@pytest.mark.parametrize(
    "stepper", [GradientDescent(0.05), Momentum(0.02, 0.8), Adam(0.02)], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize("method", [StateOptimization, ErrorOptimization, SequentialStateOptimization])
def test_every_stepper_lowers_the_energy(method: Any, stepper: Any) -> None:
    case = make_case("tanh")
    _, rows = settle(make_task(case, method(case.energy), stepper=stepper, steps=100))
    assert rows.energy[-1].sum() < 0.9 * rows.energy[0].sum()


def test_stop_rule_stops_at_the_first_step_below_the_threshold() -> None:
    case = make_case("tanh")
    settled, rows = settle(make_task(case, steps=5000, stop=StopRule(1e-3)))
    assert settled.converged
    assert 0 < settled.steps_taken < 5000
    assert rows.clock[-1] == settled.steps_taken
    again, _ = settle(make_task(case, steps=settled.steps_taken - 1, stop=StopRule(1e-3)))
    assert not again.converged


def test_divergence_stops_at_once_and_names_the_step() -> None:
    case = make_case("linear")
    settled, rows = settle(make_task(case, stepper=GradientDescent(50.0), steps=10000, precision="float32"))
    assert settled.failure is not None
    assert f"step {settled.steps_taken}" in settled.failure
    assert settled.steps_taken < 200
    assert not np.isfinite(rows.energy[-1]).all()
    assert np.isfinite(rows.energy[:-1]).all()


def test_arrival_sees_errors_whose_squares_underflow() -> None:
    case = make_case("linear", widths=(2, 2, 2), batch=1, bias=False)
    tiny = {"W": np.full((2, 2), 1e-100)}
    case = replace(case, parameters=({"W": np.eye(2)}, tiny), y=1e-90 * np.ones((1, 2)), x=np.zeros((1, 2)))
    settled, rows = settle(make_task(case, steps=1))
    assert rows.energy[1, 0] == 0.0
    assert settled.arrival_steps.tolist() == [1, 0]


def test_energy_decreases_under_gradient_descent_with_activity_decay() -> None:
    case = make_case("tanh", decays=True, precisions=True)
    _, rows = settle(make_task(case, steps=200, stepper=GradientDescent(0.05), record=("energy_per_sample", "states")))
    decay = sum(d / 2 * (s**2).sum(axis=2) for d, s in zip(case.energy.decays, rows.states, strict=True))
    total = rows.energy_per_sample.sum(axis=1) + decay
    assert (np.diff(total, axis=0) <= 1e-13).all()
