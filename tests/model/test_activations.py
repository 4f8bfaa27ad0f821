import jax
import numpy as np
import pytest

from tests.support.cases import ACTIVATIONS, XP
from tests.support.oracle import ACTIVATIONS as ORACLES

pytestmark = pytest.mark.usefixtures("jax_in_double")

POINTS = np.concatenate([np.linspace(-40, 40, 801) + 0.013, [-1e4, -700.0, 700.0, 1e4, 1e-8, -1e-8]])


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_value_and_derivative_are_autodiffs(name: str) -> None:
    value, saved = ACTIVATIONS[name].forward(XP, POINTS)
    slope = ACTIVATIONS[name].pullback(XP, saved, np.ones_like(POINTS))
    np.testing.assert_allclose(value, ORACLES[name](POINTS), rtol=4e-15, atol=1e-14)
    np.testing.assert_allclose(slope, jax.vmap(jax.grad(ORACLES[name]))(POINTS), rtol=4e-15, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_type_is_kept_and_nothing_overflows(name: str, dtype: type) -> None:
    points = np.array([-1e30, -500.0, 0.0, 500.0, 1e30], dtype=dtype)
    with np.errstate(over="ignore"):
        value, saved = ACTIVATIONS[name].forward(XP, points)
        slope = ACTIVATIONS[name].pullback(XP, saved, np.ones_like(points))
    assert value.dtype == dtype
    assert slope.dtype == dtype
    assert np.isfinite(value).all()
    assert np.isfinite(slope).all()


def test_gelu_keeps_its_lower_tail() -> None:
    points = np.array([-6.0, -10.0], dtype=np.float32)
    value, _ = ACTIVATIONS["gelu"].forward(XP, points)
    np.testing.assert_allclose(value, [-6 * 9.865876450376981e-10, -10 * 7.619853024160526e-24], rtol=2e-6)


def test_relu_has_slope_zero_at_zero() -> None:
    _, saved = ACTIVATIONS["relu"].forward(XP, np.zeros(3))
    np.testing.assert_array_equal(ACTIVATIONS["relu"].pullback(XP, saved, np.ones(3)), 0.0)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_the_second_derivative_is_autodiffs(name: str) -> None:
    second = ACTIVATIONS[name].second(XP, POINTS)
    expected = jax.vmap(jax.grad(jax.grad(ORACLES[name])))(POINTS)
    np.testing.assert_allclose(np.zeros_like(POINTS) if second is None else second, expected, rtol=1e-13, atol=1e-14)
