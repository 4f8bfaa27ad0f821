"""Arrays of balls: every result holds the true value, also where a comparison is open."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("flint", reason="needs python-flint")

from flint import arb, ctx
from pcsim_exact.namespace import ExactNamespace
from pcsim_exact.number.balls import Balls, from_floats, to_floats, zeros
from pcsim_exact.number.readout import energy_bounds
from pcsim_exact.number.verdicts import objects

from pcsim.model.activations import Activation, sigmoid
from tests.support.cases import ACTIVATIONS

XP = ExactNamespace()
FLOATS = st.floats(-30, 30)
FUNCTIONS: dict[str, Callable[[Balls], Balls]] = {
    "exp": XP.exp,
    "log": lambda x: XP.log(x * x + 1.0),
    "log1p": lambda x: XP.log1p(x * x),
    "tanh": XP.tanh,
    "normal_cdf": XP.normal_cdf,
    "normal_density": XP.normal_density,
    "abs": XP.abs,
    "sqrt": lambda x: XP.sqrt(x * x),
    "sigmoid": lambda x: sigmoid(XP, x),
    "quotient": lambda x: (x - 2.0) / (1.0 + x * x),
    "softmax": lambda x: XP.exp(x - XP.max(x, axis=1, keepdims=True)) / XP.sum(XP.exp(x), axis=1, keepdims=True),
    "product": lambda x: x @ x.T,
}


def ball(middle: float, radius: float) -> Balls:
    return Balls(objects([arb(middle, radius)], (1, 1)))


def meets(outer: Balls, inner: Balls) -> bool:
    """Return whether the balls can hold the same numbers; a finer one may stick out where they lie at the edge."""
    return all(a.overlaps(b) for a, b in zip(outer.entries.flat, inner.entries.flat, strict=True))


@pytest.mark.parametrize("name", FUNCTIONS)
@given(values=st.lists(FLOATS, min_size=3, max_size=3))
def test_results_meet_those_at_a_higher_precision(name: str, values: list[float]) -> None:
    x = from_floats(np.array([values]))
    with ctx.workprec(64):
        narrow = FUNCTIONS[name](x)
    with ctx.workprec(256):
        assert meets(narrow, FUNCTIONS[name](x))


@pytest.mark.parametrize("activation", ACTIVATIONS.values(), ids=list(ACTIVATIONS))
@given(middle=FLOATS, radius=st.sampled_from([0.0, 1e-30, 1e-3, 2.0]), where=st.floats(-1, 1), v=FLOATS)
def test_activations_of_a_ball_meet_those_of_its_points(
    activation: Activation, middle: float, radius: float, where: float, v: float
) -> None:
    with ctx.workprec(200):
        wide, point = ball(middle, radius), ball(0.0, 0.0) + (arb(middle) + arb(where) * arb(radius))
        inside, error = activation.forward(XP, point), ball(v, 0.0)
        around = activation.forward(XP, wide)
        assert meets(around[0], inside[0])
        assert meets(activation.pullback(XP, around[1], error), activation.pullback(XP, inside[1], error))


def test_a_ball_across_the_kink_gives_the_hull_of_both_branches() -> None:
    value, saved = ACTIVATIONS["relu"].forward(XP, ball(0.0, 0.5))
    assert value.entries[0, 0].contains(0)
    assert value.entries[0, 0].contains(0.5)
    slope = ACTIVATIONS["relu"].pullback(XP, saved, ball(3.0, 0.0))
    assert slope.entries[0, 0].contains(0)
    assert slope.entries[0, 0].contains(3)


def test_an_exact_zero_at_the_kink_is_certain() -> None:
    value, saved = ACTIVATIONS["relu"].forward(XP, zeros((1, 1)))
    assert value.is_zero
    assert ACTIVATIONS["relu"].pullback(XP, saved, ball(3.0, 0.0)).is_zero


def test_verdicts_combine_without_losing_what_is_open() -> None:
    x = from_floats(np.array([-1.0, 1.0])) + Balls(objects([arb(0), arb(0, 2)], (2,)))
    both = (x > 0) & (x >= 0)
    assert (both.yes.tolist(), both.no.tolist()) == ([False, False], [True, False])
    either = (x > 0) | ~(x > 0)
    assert (either.yes.tolist(), either.no.tolist()) == ([True, False], [False, False])
    assert (x < 0).yes.tolist() == [True, False]
    assert (x <= 0).yes.tolist() == [True, False]


def test_an_array_minus_itself_and_plus_zero_stay_exact() -> None:
    x = XP.sqrt(from_floats(np.array([[2.0, 3.0]])))
    assert (x - x).is_zero
    assert x + zeros((1, 2)) is x
    assert x - 0.1 * zeros((1, 2)) is x
    assert zeros((1, 2)) + x is x
    assert (zeros((1, 2)) @ from_floats(np.ones((2, 3)))).is_zero


@pytest.mark.parametrize("scalar", [2.0, 2, np.float64(2.0), arb(2)], ids=lambda s: type(s).__name__)
def test_scalars_of_any_kind_work_on_either_side(scalar: Any) -> None:
    x = from_floats(np.array([[1.0, 4.0]]))
    results = [scalar * x, x * scalar, scalar + x, x + scalar, scalar - x, x - scalar, scalar / x, x / scalar]
    expected = [[2, 8], [2, 8], [3, 6], [3, 6], [1, -2], [-1, 2], [2, 0.5], [0.5, 2]]
    assert [to_floats(r)[0].tolist() for r in results] == expected


def test_a_root_of_a_ball_that_reaches_below_zero_starts_at_zero() -> None:
    root = XP.sqrt(ball(0.0, 4.0)).entries[0, 0]
    assert root.contains(0)
    assert root.contains(2)
    assert root.upper() < 2.1
    assert not XP.sqrt(ball(-2.0, 1.0)).entries[0, 0].is_finite()


def test_larger() -> None:
    x = from_floats(np.array([-1.0, 2.0]))
    assert to_floats(XP.maximum(x, 0.0)).tolist() == [0, 2]


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-3000, 0))
def test_bounds_are_rounded_up_over_the_whole_range_of_float64(middle: float, exponent: int) -> None:
    with ctx.workprec(400):
        energies = Balls(objects([arb(middle, (1, exponent)), arb((1, exponent))], (1, 2)))
        mean = energies.entries.sum() / 2
        reported = float(mean)
        bound = energy_bounds(energies, np.array([reported]))[0]
        assert (arb(reported) + arb(0, bound)).contains(mean)


def test_arrival_needs_a_ball_without_zero() -> None:
    assert not XP.any(ball(1e-30, 1e-29))
    assert not XP.any(zeros((2, 3)))
    assert XP.any(ball(-1e-300, 1e-301))
