"""Hessian-vector products against automatic differentiation of an independent energy."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
import pytest

from pcsim.curvature import error_curvature, state_curvature
from tests.support.cases import ACTIVATIONS, LOSSES, XP, Case, make_case
from tests.support.covering import sampled

pytestmark = pytest.mark.usefixtures("jax_in_double")

# Largest deviation measured over all cases below: K / 3 eps of the largest entry.
K = 60

CASES: list[dict[str, Any]] = [
    *(dict(activation=a, activation_first=f, loss="cross-entropy") for a in ACTIVATIONS for f in (False, True)),
    *(dict(activation="tanh", activation_first=f, loss=name) for f in (False, True) for name in LOSSES),
    *(dict(activation=a, sigmoid_output=True) for a in ("linear", "sigmoid", "gelu")),
    *(dict(activation="gelu", activation_first=f, skip=k, mupc=True) for f in (False, True) for k in (1, 2, 3)),
    dict(activation="gelu", precisions=True, decays=True, skip=2, loss="cross-entropy"),
    dict(activation="sigmoid", precisions=True, decays=True, bias=False),
    dict(activation="tanh", clamp_precision=0.7, activation_first=True),
    dict(activation="tanh", widths=(5, 4, 3)),
    dict(activation="tanh", widths=(5, 3)),
]


# Every second by default, every activation among them; the rest is exhaustive.
NAMED = {"-".join(map(str, options.values())): options for options in CASES}


@pytest.fixture(params=sampled(NAMED, [*NAMED][::2]))
def case(request: pytest.FixtureRequest) -> Case:
    return make_case(**request.param)


def assert_close(ours: Any, theirs: Any) -> None:
    for a, b in zip(ours, theirs, strict=True):
        scale = max(1.0, float(np.abs(b).max()))
        np.testing.assert_allclose(a, b, rtol=0, atol=K * np.finfo(np.float64).eps * scale)


def along(energy: Callable[[Any], Any], at: Sequence[Any], v: Sequence[Any]) -> Any:
    """Return the Hessian of a function times v, by automatic differentiation."""
    return jax.jvp(jax.grad(energy), (list(at),), (list(v),))[1]


def directions(case: Case) -> tuple[Any, ...]:
    rng = np.random.default_rng(7)
    return tuple(rng.standard_normal(s.shape) for s in case.states)


def test_products_with_the_hessian_over_states_are_autodiffs(case: Case) -> None:
    v = directions(case)

    def energy(states: Any) -> Any:
        return case.oracle.energy_of_states(states, case.parameters, case.x, case.y)

    ours = state_curvature(XP, case.energy, case.clamped(), case.states).product(v)
    if v:
        assert_close(ours, along(energy, case.states, v))
    assert len(ours) == len(v)


def test_products_with_the_hessian_over_errors_are_autodiffs(case: Case) -> None:
    v, errors = directions(case), tuple(0.3 * s for s in case.states)

    def energy(moved: Any) -> Any:
        return case.oracle.energy_of_errors(moved, case.parameters, case.x, case.y)

    ours = error_curvature(XP, case.energy, case.clamped(), errors).product(v)
    if v:
        assert_close(ours, along(energy, errors, v))
    assert len(ours) == len(v)


def test_one_sample_takes_any_number_of_directions() -> None:
    case = make_case("gelu", batch=1, loss="cross-entropy", skip=2)
    rng = np.random.default_rng(3)
    several = tuple(rng.standard_normal((7, s.shape[1])) for s in case.states)
    for curvature in (
        state_curvature(XP, case.energy, case.clamped(), case.states),
        error_curvature(XP, case.energy, case.clamped(), case.states),
    ):
        together = curvature.product(several)
        for row in range(7):
            alone = curvature.product(tuple(v[row : row + 1] for v in several))
            for a, b in zip(together, alone, strict=True):
                np.testing.assert_allclose(a[row : row + 1], b, rtol=0, atol=1e-13)


def test_a_free_input_is_one_more_variable() -> None:
    case = make_case("tanh", skip=1)
    energy, rng = case.energy.with_free_input(), np.random.default_rng(5)
    parameters: Any = ({}, *case.parameters)
    clamped, states = energy.clamp(XP, parameters, case.x, case.y), (case.x, *case.states)
    v = tuple(rng.standard_normal(s.shape) for s in states)

    def oracle(s: Any) -> Any:
        return case.oracle.energy_of_states(s[1:], case.parameters, s[0], case.y)

    expected = jax.jvp(jax.grad(oracle), (list(states),), (list(v),))[1]
    assert_close(state_curvature(XP, energy, clamped, states).product(v), expected)
