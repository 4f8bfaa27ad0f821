"""Energies, gradients and pullbacks against automatic differentiation of an independent energy."""

from typing import Any

import jax
import numpy as np
import pytest

from pcsim.conformance.covering import covering as combinations
from pcsim.inference import Backprop, ErrorOptimization, StateOptimization
from pcsim.inference.base import Moving
from pcsim.inference.steppers import GradientDescent
from tests.support.cases import ACTIVATIONS, LOSSES, XP, Case, make_case

pytestmark = pytest.mark.usefixtures("jax_in_double")

# Largest deviation measured over all cases below: 12 eps of the largest entry.
K = 40


def assert_close(ours: Any, theirs: Any) -> None:
    for a, b in zip(ours, theirs, strict=True):
        scale = max(1.0, float(np.abs(b).max()))
        np.testing.assert_allclose(a, b, rtol=0, atol=K * np.finfo(np.float64).eps * scale)


CASES = [
    *(dict(activation=a, activation_first=f, loss=name) for a in ACTIVATIONS for f in (False, True) for name in LOSSES),
    *(dict(activation=a, sigmoid_output=True) for a in ACTIVATIONS),
    *(dict(activation="tanh", activation_first=f, skip=k) for f in (False, True) for k in (1, 2, 3)),
    *(
        dict(activation="relu", activation_first=f, skip=k, mupc=True, bias=False)
        for f in (False, True)
        for k in (0, 1, 2)
    ),
    dict(activation="gelu", precisions=True, decays=True, skip=2),
    dict(activation="tanh", precisions=True, decays=True, loss="cross-entropy"),
    dict(activation="tanh", clamp_precision=0.7),
    dict(activation="tanh", widths=(5, 3)),
    dict(activation="tanh", widths=(5, 4, 3), bias=False),
]


def _words(options: dict[str, Any]) -> str:
    return "-".join(str(v) for v in options.values())


PAIRS = set(combinations([list(ACTIVATIONS), ["False", "True"], list(LOSSES)], 2))


def _parameters(cases: list[dict[str, Any]]) -> list[Any]:
    """Mark those of the product of activation, order and loss that repeat pairs of words."""

    def marks(case: dict[str, Any]) -> Any:
        repeats = (
            list(case) == ["activation", "activation_first", "loss"] and tuple(map(str, case.values())) not in PAIRS
        )
        return pytest.mark.exhaustive if repeats else ()

    return [pytest.param(case, id=_words(case), marks=marks(case)) for case in cases]


@pytest.fixture(params=_parameters(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(**request.param)


def test_layerwise_energies_add_up_to_the_oracles_total(case: Case) -> None:
    point = StateOptimization(case.energy).evaluate(XP, case.clamped(), Moving(case.states, ()))
    layerwise = case.energy.layerwise(XP, case.clamped(), point)
    assert layerwise.shape == (len(case.network.layers), len(case.x))
    decay = sum(d / 2 * np.sum(s**2) for d, s in zip(case.energy.decays, case.states, strict=True))
    expected = case.oracle.energy_of_states(case.states, case.parameters, case.x, case.y)
    assert float(layerwise.sum() + decay) == pytest.approx(float(expected), rel=1e-13)


def test_state_gradient_is_autodiffs(case: Case) -> None:
    point = StateOptimization(case.energy).evaluate(XP, case.clamped(), Moving(case.states, ()))
    expected = jax.grad(case.oracle.energy_of_states)(list(case.states), case.parameters, case.x, case.y)
    assert_close(point.gradient, expected)


def test_error_gradient_is_autodiffs(case: Case) -> None:
    errors = tuple(0.3 * s for s in case.states)
    point = ErrorOptimization(case.energy).evaluate(XP, case.clamped(), Moving(errors, ()))
    expected = jax.grad(case.oracle.energy_of_errors)(list(errors), case.parameters, case.x, case.y)
    assert_close(point.states, case.oracle.states_of_errors(errors, case.parameters, case.x))
    assert_close(point.gradient, expected)


def test_parameter_gradient_is_autodiffs_batch_mean(case: Case) -> None:
    clamped = case.clamped()
    point = StateOptimization(case.energy).evaluate(XP, clamped, Moving(case.states, ()))
    ours = case.energy.parameter_gradient(XP, clamped, point)
    expected = jax.grad(case.oracle.energy_of_states, argnums=1)(list(case.states), case.parameters, case.x, case.y)
    for mine, theirs in zip(ours, expected, strict=True):
        assert mine.keys() == theirs.keys()
        assert_close([mine[k] for k in mine], [theirs[k] / len(case.x) for k in mine])


@pytest.mark.parametrize("options", _parameters([c for c in CASES if "precisions" not in c]))
def test_backprop_gradient_is_autodiffs_of_the_loss(options: dict[str, Any]) -> None:
    case = make_case(**options)
    inference = Backprop(case.energy)
    clamped = inference.clamp(XP, case.parameters, case.x, case.y)
    stepper = GradientDescent(1.0)
    errors = inference.begin(XP, clamped, None, stepper)
    errors = inference.advance(XP, clamped, inference.evaluate(XP, clamped, errors), errors, stepper, 1)
    point = inference.evaluate(XP, clamped, errors)
    ours = case.energy.parameter_gradient(XP, clamped, point)

    def loss(parameters: Any) -> Any:
        states = case.oracle.states_of_errors([0.0] * len(case.states), parameters, case.x)
        output = case.oracle.prediction(parameters, states, case.x, len(states))
        return case.oracle.output_loss(output, case.y) / len(case.x)

    for mine, theirs in zip(ours, jax.grad(loss)(case.parameters), strict=True):
        assert_close([mine[k] for k in mine], [theirs[k] for k in mine])
