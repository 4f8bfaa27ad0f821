"""Arrays in float16 and bfloat16: every result is the format's own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special
from pcsim_numpy.number.rounded import Rounded
from pcsim_numpy.number.rounding import FORMATS

from tests.support.cases import XP
from tests.support.narrow import NARROW, assert_same_bits, patterns, rounded, ulps_apart, unit

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # random bit patterns overflow and are invalid


@pytest.fixture(params=NARROW)
def precision(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(
    "operator", [np.add, np.subtract, np.multiply, np.divide, np.maximum], ids=lambda u: u.__name__
)
def test_operators_give_the_bits_of_native_arithmetic(operator: np.ufunc, precision: str) -> None:
    one = unit(precision)
    for seed in range(4):
        a, b = patterns(precision, seed), patterns(precision, seed + 100)
        left, right = (Rounded(x.astype(np.float32), one) for x in (a, b))
        assert_same_bits(operator(left, right), operator(a, b))
        if operator is not np.maximum:
            by_constant = operator(a.astype(np.float32), np.float32(0.1))
            assert_same_bits(operator(left, 0.1), by_constant.astype(a.dtype))
            assert_same_bits(operator(-3, left), operator(a.dtype.type(-3), a))


def test_in_place_operators_round_and_keep_the_array(precision: str) -> None:
    a, b = patterns(precision, 1), patterns(precision, 2)
    left, right = rounded(a), Rounded(b.astype(np.float32), unit(precision))
    right.unit = left.unit
    same = left
    left += right
    assert_same_bits(left, a + b)
    left *= 0.3
    assert_same_bits(left, ((a + b).astype(np.float32) * np.float32(0.3)).astype(a.dtype))
    assert same is left


@pytest.mark.parametrize("name", ["exp", "log", "log1p", "tanh", "sqrt", "abs", "normal_cdf"])
def test_functions_are_within_one_unit_in_the_last_place(name: str, precision: str) -> None:
    x = patterns(precision, 3)
    exact: Callable[..., Any] = scipy.special.ndtr if name == "normal_cdf" else getattr(np, name)
    expected = exact(x.astype(np.float64)).astype(x.dtype)
    apart = ulps_apart(getattr(XP, name)(rounded(x)).values.astype(x.dtype), expected)
    assert apart.max() <= 1
    assert np.count_nonzero(apart) <= 20


def test_products_and_sums_are_rounded_once_from_float32(precision: str) -> None:
    rng = np.random.default_rng(5)
    one = unit(precision)
    a, b = one.array(rng.standard_normal((7, 50))), one.array(rng.standard_normal((50, 9)))
    np.testing.assert_array_equal((a @ b).values, one.law(a.values @ b.values))
    np.testing.assert_array_equal((b.T @ a.T).values, one.law(b.values.T @ a.values.T))
    np.testing.assert_array_equal(XP.sum(a, axis=0).values, one.law(a.values.sum(axis=0)))
    np.testing.assert_array_equal(XP.sum(a, axis=1, keepdims=True).values, one.law(a.values.sum(axis=1, keepdims=True)))
    np.testing.assert_array_equal(XP.max(a, axis=1, keepdims=True).values, a.values.max(axis=1, keepdims=True))


def test_the_namespace_keeps_the_format_or_leaves_it_for_float64(precision: str) -> None:
    one = unit(precision)
    a: Any = one.array(np.random.default_rng(6).standard_normal((4, 6)))
    positive = a > 0
    assert isinstance(positive, np.ndarray)
    assert positive.dtype == np.bool_
    for kept in (
        XP.where(positive, 0.1, a),
        XP.stack([a, a]),
        XP.zeros_like(a),
        a[1:],
        a.reshape(2, 12),
        a.T,
        a * positive,
    ):
        assert isinstance(kept, Rounded)
        assert kept.dtype == FORMATS[precision].dtype
        np.testing.assert_array_equal(one.law(kept.values), kept.values)
    np.testing.assert_array_equal(np.moveaxis(a, 0, 1), a.values.T)
    for plain in (XP.wide(a), XP.sum_of_squares(a), a.astype(np.float64)):
        assert type(plain) is np.ndarray
        assert plain.dtype == np.float64
    assert XP.sum_of_squares(a)[0] == pytest.approx((a.values[0].astype(np.float64) ** 2).sum(), rel=1e-15)
    assert np.asarray(a).dtype == np.float32
    assert a.ndim == 2


REFUSED: list[Callable[[Any], Any]] = [
    lambda a: a + np.ones(3),
    lambda a: a @ np.ones((3, 3), np.float32),
    lambda a: a + unit("float16").array(np.ones(3)),
    lambda a: np.einsum("ij->i", a),
    np.multiply.reduce,
    lambda a: np.add.reduce(a, axis=0, dtype=np.float64),
    lambda a: np.vecdot(a, a),
    np.add.accumulate,
    lambda a: np.where(a > 0, a, np.ones((2, 3))),
    np.frexp,
]


@pytest.mark.parametrize("compute", REFUSED)
def test_what_would_not_round_is_refused(compute: Callable[[Any], Any], precision: str) -> None:
    with pytest.raises(TypeError):
        compute(unit(precision).array(np.ones((2, 3))))
