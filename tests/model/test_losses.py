import numpy as np
import pytest

from pcsim.model.losses import BinaryCrossEntropy, CrossEntropy
from tests.support.cases import LOSSES, XP


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [0.0, 1.0, 100.0, 1000.0])
def test_cross_entropy_is_stable_for_large_logits(size: float, dtype: type) -> None:
    logits = np.array([[size, 0.0, -size], [-size, size, size]], dtype=dtype)
    target = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], dtype=dtype)
    expected = [
        np.logaddexp.reduce([0, -size, -2 * size]) + size,
        np.logaddexp.reduce([-2 * size, 0, 0]) + 2 * size,
    ]
    with np.errstate(over="raise", invalid="raise"):
        np.testing.assert_allclose(CrossEntropy().value(XP, logits, target), expected, rtol=1e-15)
        error = CrossEntropy().error(XP, logits, target)
    assert error.dtype == dtype
    np.testing.assert_allclose(error.sum(axis=1), 0, atol=1e-6)


@pytest.mark.parametrize("size", [-1000.0, -1.0, 0.0, 1.0, 1000.0])
def test_binary_cross_entropy_is_stable_for_large_logits(size: float) -> None:
    logits, target = np.array([[size]], dtype=np.float32), np.array([[0.25]], dtype=np.float32)
    with np.errstate(over="raise", invalid="raise"):
        value = BinaryCrossEntropy().value(XP, logits, target)
        error = BinaryCrossEntropy().error(XP, logits, target)
    assert value[0] == pytest.approx(np.logaddexp(0, size) - 0.25 * size, rel=1e-15)
    assert error[0, 0] == pytest.approx(0.25 - 1 / (1 + np.exp(-np.float64(max(size, -700)))), rel=1e-6, abs=1e-300)


@pytest.mark.parametrize("name", LOSSES)
def test_values_are_accumulated_in_float64(name: str) -> None:
    output = np.full((3, 5), 0.1, dtype=np.float32)
    target = np.full((3, 5), 0.2, dtype=np.float32)
    assert LOSSES[name].value(XP, output, target).dtype == np.float64
    assert LOSSES[name].error(XP, output, target).dtype == np.float32
