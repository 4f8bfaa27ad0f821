"""Steppers on a quadratic bowl, against their closed forms."""

import numpy as np
import pytest

from pcsim.inference.steppers import (
    Adam,
    Clipped,
    Decaying,
    GradientDescent,
    Momentum,
    Stepper,
    innermost,
    step_size_of,
    with_step_size,
)
from tests.support.cases import XP


def follow(stepper: Stepper, start: float, curvature: float, steps: int) -> list[float]:
    z = np.array([start])
    memory = stepper.begin(XP, z)
    path = [start]
    for step in range(1, steps + 1):
        delta, memory = stepper.increment(XP, curvature * z, memory, step)
        z = z + delta
        path.append(float(z[0]))
    return path


def test_gradient_descent_shrinks_geometrically() -> None:
    path = follow(GradientDescent(0.25), 1.0, 2.0, 10)
    np.testing.assert_array_equal(path, [0.5**t for t in range(11)])


def test_momentum_obeys_its_two_term_recurrence() -> None:
    path = follow(Momentum(0.125, 0.5), 1.0, 1.0, 20)
    for before, now, after in zip(path, path[1:], path[2:], strict=False):
        assert abs(after - (now + 0.5 * (now - before) - 0.125 * now)) < 1e-15


def test_adams_first_step_has_the_length_of_the_step_size_whatever_the_gradient() -> None:
    for scale in (1e-3, 1.0, 1e3):
        path = follow(Adam(0.01, eps=1e-12), 1.0, scale, 1)
        np.testing.assert_allclose(path[1], 0.99, rtol=1e-8)


def test_adam_matches_its_published_recurrence() -> None:
    z, m, v = 1.0, 0.0, 0.0
    expected = [z]
    for t in range(1, 30):
        g = 3.0 * z
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        z -= 0.05 * (m / (1 - 0.9**t)) / ((v / (1 - 0.999**t)) ** 0.5 + 1e-8)
        expected.append(z)
    np.testing.assert_allclose(follow(Adam(0.05), 1.0, 3.0, 29), expected, rtol=1e-12)


def test_a_decaying_step_size_is_divided_by_one_plus_dt() -> None:
    path = follow(Decaying(GradientDescent(0.5), 1.0), 1.0, 1.0, 20)
    # z_t = Π (1 − ½/(1 + k)), k = 0 … t − 1
    np.testing.assert_allclose(path, np.cumprod([1.0, *(1 - 0.5 / (1 + k) for k in range(20))]), rtol=1e-15)


def test_decay_shortens_increments_and_leaves_the_memory_alone() -> None:
    for stepper in (Momentum(0.1), Adam(0.1)):
        plain = decaying = stepper.begin(XP, np.zeros(3))
        for step in range(1, 6):
            gradient = np.array([1.0, -2.0, step])
            whole, plain = stepper.increment(XP, gradient, plain, step)
            shortened, decaying = Decaying(stepper, 0.25).increment(XP, gradient, decaying, step)
            np.testing.assert_allclose(shortened, whole / (1 + 0.25 * (step - 1)), rtol=1e-15)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_clipped_gradients_are_shortened_in_each_sample_and_only_if_they_are_too_long(scale: float) -> None:
    gradient = scale * np.array([[[3.0, 4.0]], [[0.3, 0.4]], [[0.0, 0.0]]])
    delta, memory = Clipped(GradientDescent(0.5), scale).increment(XP, gradient, (), 1)
    expected = -0.5 * scale * np.array([[[0.6, 0.8]], [[0.3, 0.4]], [[0.0, 0.0]]])
    np.testing.assert_allclose(delta, expected, rtol=1e-15)
    np.testing.assert_array_equal(delta[1:], -0.5 * gradient[1:])
    assert memory == ()


def test_a_clipped_gradient_that_is_not_finite_stays_so() -> None:
    for value in (np.inf, np.nan):
        with np.errstate(invalid="ignore"):
            delta, _ = Clipped(GradientDescent(1.0), 1.0).increment(XP, np.array([[value, 1.0]]), (), 1)
        assert not np.isfinite(delta).all()


def test_clipping_keeps_the_step_size_in_reach() -> None:
    stepper = Decaying(Clipped(Momentum(0.25), 1.0), 0.5)
    assert step_size_of(stepper) == 0.25
    assert innermost(with_step_size(stepper, 0.5)) == Momentum(0.5)
    assert with_step_size(stepper, 0.25) == stepper
