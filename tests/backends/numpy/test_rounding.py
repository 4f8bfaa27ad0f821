"""Rounding laws and accumulators of float16 and bfloat16."""

import numpy as np
import pytest
from pcsim_numpy.number.rounded import Rounded
from pcsim_numpy.number.rounding import FORMATS, Stochastic

from tests.support.cases import XP
from tests.support.narrow import NARROW, assert_same_bits, patterns, unit

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")  # random bit patterns overflow and are invalid


@pytest.fixture(params=NARROW)
def precision(request: pytest.FixtureRequest) -> str:
    return request.param


def test_rounding_is_to_nearest_even_for_any_float32(precision: str) -> None:
    law = unit(precision).law
    x = np.random.default_rng(4).integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    assert_same_bits(Rounded(law(x), unit(precision)), x.astype(law.format.dtype))


def test_float16_overflows_and_underflows_as_ieee_754_says() -> None:
    x = np.array([65504, 65519.996, 65520, -65520, 2.0**-24, 2.0**-25, 2.0**-25 * 1.001, -1e-9, 1e30, -np.inf])
    expected = [65504, 65504, np.inf, -np.inf, 2.0**-24, 0, 2.0**-24, -0.0, np.inf, -np.inf]
    got = unit("float16").law(x.astype(np.float32))
    np.testing.assert_array_equal(got, expected)
    assert np.signbit(got[7])


def test_a_narrow_accumulator_stalls_where_its_spacing_is_two(precision: str) -> None:
    ones = np.ones((1, 4096))
    narrow, wide = unit(precision, accumulate=precision), unit(precision)
    stall = {"float16": 2048, "bfloat16": 256}[precision]
    assert (narrow.array(ones) @ narrow.array(ones.T)).values.item() == stall
    assert XP.sum(narrow.array(ones), axis=1).values.tolist() == [stall]
    assert XP.sum(narrow.array(ones), axis=1, keepdims=True).shape == (1, 1)
    assert (wide.array(ones) @ wide.array(ones.T)).values.item() == 4096


def test_a_narrow_accumulator_adds_in_the_order_of_k_in_its_own_format(precision: str) -> None:
    rng = np.random.default_rng(7)
    a, b = rng.standard_normal((3, 700)), rng.standard_normal((700, 200))
    wide = unit(precision)
    exact = wide.array(a).astype(np.float64) @ wide.array(b).astype(np.float64)
    errors = {"float32": np.abs((wide.array(a) @ wide.array(b)).values - exact).max()}
    for accumulate in NARROW:
        narrow = unit(precision, accumulate=accumulate)
        left, right = narrow.array(a), narrow.array(b)
        got = (left @ right).values
        dtype = FORMATS[accumulate].dtype
        total = np.zeros((3, 200), dtype)
        for k in range(700):
            total = total + (left.values[:, k, None] * right.values[k]).astype(dtype)
        np.testing.assert_array_equal(got, wide.law(total.astype(np.float32)))
        errors[accumulate] = np.abs(got - exact).max()
    assert errors["bfloat16"] > errors["float32"]
    assert errors[precision] > 3 * errors["float32"]


def test_a_narrow_accumulator_multiplies_stacks_of_matrices(precision: str) -> None:
    narrow = unit(precision, accumulate=precision)
    a, b = (np.random.default_rng(8).standard_normal(shape) for shape in ((2, 3, 5), (2, 5, 4)))
    together = (narrow.array(a) @ narrow.array(b)).values
    for i in range(2):
        np.testing.assert_array_equal(together[i], (narrow.array(a[i]) @ narrow.array(b[i])).values)


@pytest.mark.parametrize("x", [0.1, -3.3e4, 1.7e-7, -1.3e-8, 0.99999])
def test_stochastic_rounding_goes_to_the_two_neighbours_without_bias(x: float, precision: str) -> None:
    form, draws = FORMATS[precision], 200_000
    value = np.float32(x)
    nearest = np.array(value).astype(form.dtype)
    towards = np.copysign(np.inf, value - nearest.astype(np.float64)).astype(form.dtype)
    neighbours = sorted([float(nearest), float(np.nextafter(nearest, towards))])
    got = Stochastic(form, np.random.default_rng(9))(np.full(draws, value)).astype(np.float64)
    assert set(got.tolist()) == set(neighbours)
    share = (float(value) - neighbours[0]) / (neighbours[1] - neighbours[0])
    deviation = 5 * np.sqrt(share * (1 - share) / draws)
    assert np.mean(got == neighbours[1]) == pytest.approx(share, abs=deviation)


def test_stochastic_rounding_leaves_numbers_of_the_format_alone(precision: str) -> None:
    x = patterns(precision, 10)
    law = Stochastic(FORMATS[precision], np.random.default_rng(0))
    for _ in range(3):
        assert_same_bits(Rounded(law(x.astype(np.float32)), unit(precision)), x)


def test_stochastic_rounding_does_not_lose_small_increments(precision: str) -> None:
    totals = {}
    for rounding in ("nearest", "stochastic"):
        one = unit(precision, rounding=rounding)
        z = one.array(np.ones(2000))
        for _ in range(100):
            z = z + 0.0001
        totals[rounding] = z.values.astype(np.float64).mean()
    assert totals["nearest"] == 1.0
    assert totals["stochastic"] == pytest.approx(1.01, abs=0.003)
