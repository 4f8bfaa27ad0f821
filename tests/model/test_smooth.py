"""What follows from a value and a slope: increments, second derivatives, products; against closed forms."""

from typing import Any

import numpy as np
import pytest
import scipy.special

from pcsim.engine.host import host_namespace
from pcsim.model.activations import Tanh
from pcsim.model.losses import BinaryCrossEntropy, SmoothLoss
from pcsim.model.smooth import SmoothActivation
from pcsim.typing import NDArray

XP = host_namespace()


class OwnTanh(SmoothActivation):
    def value(self, xp: Any, p: Any) -> Any:
        return xp.tanh(p)

    def slope(self, xp: Any, p: Any) -> Any:
        return 1.0 - xp.tanh(p) * xp.tanh(p)


class OwnBinary(SmoothLoss):
    def value(self, xp: Any, output: Any, target: Any) -> Any:
        return BinaryCrossEntropy().value(xp, output, target)

    def error(self, xp: Any, output: Any, target: Any) -> Any:
        return BinaryCrossEntropy().error(xp, output, target)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_increment_keeps_its_digits_however_short_it_is(dtype: type) -> None:
    p, d = np.meshgrid(np.linspace(-2.0, 2.0, 41), np.geomspace(1e-12, 3.0, 60))
    p, d = p.astype(dtype), d.astype(dtype)
    found, _, _ = OwnTanh().increment(XP, OwnTanh().anchor(XP, p), d)
    wide, way = p.astype(np.longdouble), d.astype(np.longdouble)
    exact = np.sinh(way) / (np.cosh(wide) * np.cosh(wide + way))
    assert found.dtype == dtype
    assert np.max(np.abs(found / exact - 1.0)) < 256 * np.finfo(dtype).eps


def test_second_derivatives_are_those_of_the_closed_form() -> None:
    p: NDArray[np.float64] = np.linspace(-4.0, 4.0, 101)
    found: Any = OwnTanh().second(XP, p)
    known: Any = Tanh().second(XP, p)
    np.testing.assert_allclose(found, known, atol=1e-11)


def test_the_curvature_of_a_loss_is_that_of_the_closed_form() -> None:
    rng = np.random.default_rng(0)
    output, target, v = rng.standard_normal((3, 5, 4))
    target = scipy.special.expit(target)
    v[0] = 0.0
    np.testing.assert_allclose(
        OwnBinary().curvature(XP, output, target, v), BinaryCrossEntropy().curvature(XP, output, target, v), atol=1e-11
    )
