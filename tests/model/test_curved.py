"""Parts of one's own from value and pullback alone: derivatives by differences, and what they must say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from pcsim.model.layers import CurvedPart
from pcsim.model.layers.part import Parameter
from tests.support.cases import XP


@dataclass(frozen=True)
class Cube(CurvedPart):
    """s³ of every unit, plus its neighbour's half square."""

    def value(self, xp: Any, parameters: Any, s: Any) -> Any:
        return s**3 + 0.5 * np.roll(s, 1, axis=-1) ** 2

    def pullback(self, xp: Any, parameters: Any, saved: Any, v: Any) -> Any:
        return 3 * saved**2 * v + saved * np.roll(v, -1, axis=-1)


@dataclass(frozen=True)
class Learning(Cube):
    """A part that does not say how it learns."""

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        return {"w": Parameter((3, 3), fans=(3, 3))}


PART = Cube((3,))
RNG = np.random.default_rng(0)
S, V = RNG.standard_normal((2, 5, 3))
WAYS = RNG.standard_normal((5, 3)) * np.array([1.0, 1e-3, 1e-9, 1e3, 0.0])[:, None]


def test_the_pushforward_is_the_derivative_along_a_way_of_any_length() -> None:
    expected = 3 * S**2 * WAYS + np.roll(S * WAYS, 1, axis=-1)
    found = PART.pushforward(XP, {}, PART.forward(XP, {}, S)[1], WAYS)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(WAYS).max(axis=1).min())


def test_the_pullback_bends_by_the_second_derivative() -> None:
    expected = 6 * S * V * WAYS + np.roll(V, -1, axis=-1) * WAYS
    found = PART.bend(XP, {}, PART.second(XP, {}, S), V, WAYS)
    scale = np.abs(WAYS).max(axis=1, keepdims=True)
    assert (np.abs(found - expected) <= 1e-9 * scale).all()


def test_increments_are_right_however_short_and_long_they_are() -> None:
    change, _, (after, _) = PART.increment(XP, {}, PART.anchor(XP, {}, S), S + WAYS, WAYS)
    exact = 3 * S**2 * WAYS + 3 * S * WAYS**2 + WAYS**3
    exact += np.roll(S * WAYS + 0.5 * WAYS**2, 1, axis=-1)
    scale = np.abs(exact).max(axis=1, keepdims=True)
    assert (np.abs(change - exact) <= 1e-9 * scale).all()
    np.testing.assert_array_equal(after, S + WAYS)


def test_samples_of_another_shape_are_refused() -> None:
    assert PART.output_shape((3,)) == (3,)
    with pytest.raises(ValueError, match=r"takes samples of shape \(3,\), not \(4,\)"):
        PART.output_shape((4,))


def test_what_has_no_parameters_has_no_gradient() -> None:
    assert PART.gradient(XP, {}, S, V) == {}
    assert PART.multiplications == 0
    assert Learning((3,)).multiplications == 9
