"""The signal profile: against exact rational arithmetic, and against the program's own dynamics."""

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from pcsim import theory
from pcsim.errors import UsageError
from pcsim.inference import FixedPredictions, StateOptimization
from pcsim.inference.steppers import GradientDescent
from tests.support.cases import make_case, make_task, settle

LAYERS, STEPS = 20, 64
EPS = float(np.finfo(np.float64).eps)


def log_of(value: Fraction) -> float:
    """Log of a fraction that may be far outside the range of floats."""
    shift = value.numerator.bit_length() - value.denominator.bit_length()
    return shift * math.log(2) + math.log(float(value * Fraction(2) ** -shift))


@given(st.integers(1, 200), st.integers(0, 200), st.floats(1e-6, 0.9))
def test_both_binomial_profiles_are_the_rational_numbers(t: int, i: int, size: float) -> None:
    if i > t:
        assert theory.log_binomial_profile(t, i, size) == -np.inf
        assert theory.log_fixed_prediction_profile(t, i, size) == -np.inf
        return
    exact = Fraction(size)
    terms = [math.comb(t, j) * exact**j * (1 - exact) ** (t - j) for j in range(i, t + 1)]
    for ours, theirs in (
        (theory.log_binomial_profile(t, i, size), log_of(terms[0])),
        (theory.log_fixed_prediction_profile(t, i, size), log_of(sum(terms[1:], terms[0]))),
    ):
        # gammaln(200) is some 860: its rounding is what remains.
        assert abs(float(ours) - theirs) <= 16 * EPS * (1000 + abs(theirs))


def test_profiles_far_below_the_range_of_floats_are_finite() -> None:
    profile = theory.log10(theory.log_fixed_prediction_profile([300, 400], [280, 399], [0.01, 1e-3]))
    np.testing.assert_allclose(profile, [-529.2118973991962, -1194.3983734336243], rtol=1e-14)


def test_the_binomial_profile_has_a_source_that_relaxes() -> None:
    t, i = np.arange(STEPS)[:, None], np.arange(LAYERS)
    now, after = (np.exp(theory.log_binomial_profile(u, i, 0.1)) for u in (t, t + 1))
    np.testing.assert_allclose(after[:, 1:], 0.9 * now[:, 1:] + 0.1 * now[:, :-1], rtol=1e-11)
    np.testing.assert_allclose(after[:, 0], 0.9 * now[:, 0], rtol=1e-11)


def test_the_whole_signal_arrives_at_once_with_a_step_of_one() -> None:
    distance = np.arange(5)
    np.testing.assert_array_equal(np.exp(theory.log_binomial_profile(3, distance, 1.0)), [0, 0, 0, 1, 0])
    np.testing.assert_array_equal(np.exp(theory.log_fixed_prediction_profile(3, distance, 1.0)), [1, 1, 1, 1, 0])


def test_both_profiles_tend_to_poisson_with_the_step_size() -> None:
    tau, distance = 2.0, np.arange(20)
    for binomial, poisson in (
        (theory.log_binomial_profile, theory.log_poisson_profile),
        (theory.log_fixed_prediction_profile, theory.log_fixed_prediction_limit),
    ):
        gaps = [np.abs(binomial(tau / size, distance, size) - poisson(tau, distance)) for size in (2**-12, 2**-13)]
        assert gaps[0].max() < 200 * 2**-12
        # At τ = 2 the terms of first order cancel at one distance below 5.
        np.testing.assert_allclose(gaps[0][5:], 2 * gaps[1][5:], rtol=0.05)


def test_the_front_of_the_flow_is_small_but_has_no_power_of_the_step_size() -> None:
    assert float(np.exp(theory.log_poisson_profile(1.0, 19))) == pytest.approx(3.0e-18, rel=0.01)
    np.testing.assert_array_equal(theory.log_fixed_prediction_limit(0.0, [0, 1, 5]), [0, -np.inf, -np.inf])
    assert float(theory.log10(theory.log_fixed_prediction_limit(1e-3, 150))) == pytest.approx(-712.757, abs=1e-3)


@pytest.fixture(scope="module")
def signals() -> dict[Any, tuple[Any, NDArray[Any], NDArray[Any]]]:
    """Errors and gradients by distance in a chain of identity layers, in units of the output error.

    The input is zero, so that the states are the signal itself: nothing is lost below an ulp of something larger.
    """
    case = make_case("linear", widths=(3,) * (LAYERS + 1), bias=False, batch=1)
    parameters = tuple({"W": np.eye(3)} for _ in case.parameters)
    case = replace(case, parameters=parameters, x=np.zeros_like(case.x))
    found: dict[Any, tuple[Any, NDArray[Any], NDArray[Any]]] = {}
    for method in (FixedPredictions, StateOptimization):
        task = make_task(
            case, method(case.energy), stepper=GradientDescent(0.1), steps=STEPS, record=("errors", "grad_norm")
        )
        settled, rows = settle(task)
        errors = np.stack([np.linalg.norm(e[:, 0], axis=1) for e in reversed(rows.errors)], axis=1)
        unit = errors[0, 0]
        found[method] = settled, errors / unit, rows.grad_norm[:, -2::-1] / unit
    return found


def test_fixed_predictions_are_the_tail_profile_exactly(signals: Any) -> None:
    _, errors, _ = signals[FixedPredictions]
    expected = np.exp(theory.log_fixed_prediction_profile(np.arange(STEPS + 1)[:, None], np.arange(LAYERS), 0.1))
    np.testing.assert_allclose(errors, expected, rtol=200 * EPS)


def test_eq_4_is_exact_for_the_gradients_of_fixed_predictions(signals: Any) -> None:
    _, errors, gradients = signals[FixedPredictions]
    step = np.arange(STEPS + 1)[:, None]
    # Gradients by distance 1, 2, …: the state at distance i + 1 feels the binomial term of distance i.
    expected = np.exp(theory.log_binomial_profile(step, np.arange(LAYERS - 1), 0.1))
    np.testing.assert_allclose(gradients, expected, rtol=4000 * EPS)
    # For the errors themselves it is exact at the front only.
    ratio = errors[:, 1] / np.exp(theory.log_binomial_profile(step[:, 0], 1, 0.1)).clip(1e-300)
    assert ratio[1] == pytest.approx(1, rel=1e-12)
    assert ratio[STEPS] == pytest.approx(119.13, rel=1e-3)


@pytest.mark.parametrize("method", [FixedPredictions, StateOptimization])
def test_the_front_arrives_at_its_step_with_a_power_of_the_step_size(signals: Any, method: Any) -> None:
    settled, errors, _ = signals[method]
    np.testing.assert_array_equal(settled.arrival_steps, theory.arrival_steps(LAYERS))
    np.testing.assert_allclose(np.diag(errors)[1:], 0.1 ** np.arange(1, LAYERS), rtol=40 * EPS)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: theory.log_binomial_profile(3, 1, 1.5), "step_size holds 1.5"),
        (lambda: theory.log_fixed_prediction_profile(3, 1, 0.0), "step_size holds 0"),
        (lambda: theory.log_binomial_profile(2.5, 1, 0.1), "step holds 2.5"),
        (lambda: theory.log_fixed_prediction_profile(3, -1, 0.1), "distance holds -1"),
        (lambda: theory.log_poisson_profile(-2.0, 1), "time holds -2"),
        (lambda: theory.log_fixed_prediction_limit(1.0, 0.5), "distance holds 0.5"),
    ],
)
def test_values_outside_the_law_are_named(call: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        call()
