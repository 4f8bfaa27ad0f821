"""Eigenvalues of Hessians, and the Hessian over states in blocks, against dense linear algebra."""

from typing import Any

import numpy as np
import pytest
from scipy.sparse.linalg import eigsh

from pcsim.curvature import (
    Curvature,
    NotPositiveDefinite,
    block_extremes,
    error_curvature,
    extremes,
    largest_eigenvalue,
    operator_of,
    state_curvature,
    state_hessian,
)
from pcsim.curvature.spectrum import lowest_eigenvalue
from tests.support.cases import XP, Case, make_case

NETWORKS: list[dict[str, Any]] = [
    dict(activation="gelu", skip=2, loss="cross-entropy", precisions=True, decays=True),
    dict(activation="tanh", skip=1, activation_first=True, mupc=True),
    dict(activation="sigmoid", sigmoid_output=True, skip=3, widths=(4, 5, 5, 5, 5, 5, 5, 3)),
    dict(activation="relu", widths=(5, 4, 7, 3), clamp_precision=0.4),
    dict(activation="gelu", widths=(5, 3)),
]
LARGE = (20, *(130,) * 5, 10)


def dense(curvature: Curvature) -> Any:
    operator: Any = operator_of(curvature)
    return operator.matmat(np.eye(operator.shape[0])) if operator.shape[0] else np.zeros((0, 0))


def feedforward(case: Case) -> Any:
    return case.energy.feedforward(XP, case.clamped())[0]


@pytest.mark.parametrize("options", NETWORKS, ids=str)
def test_the_hessian_in_blocks_is_that_of_the_products(options: dict[str, Any]) -> None:
    case = make_case(**options, batch=1)
    curvature = state_curvature(XP, case.energy, case.clamped(), case.states)
    matrix = state_hessian(curvature)
    expected = dense(curvature)
    for found in (matrix.dense(), matrix.sparse().toarray(), matrix.product(np.eye(matrix.order))):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_the_block_factor_solves_also_where_skips_fill_it_in(skip: int) -> None:
    case = make_case("gelu", widths=(4, *(6,) * 8, 3), skip=0 if skip == 0 else skip + 1, batch=1, gain=0.5)
    matrix = state_hessian(state_curvature(XP, case.energy, case.clamped(), feedforward(case)))
    right = np.random.default_rng(0).standard_normal((matrix.order, 3))
    np.testing.assert_allclose(matrix.factorised().solve(right), np.linalg.solve(matrix.dense(), right), atol=1e-12)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_extremes_without_the_matrix_are_those_of_the_matrix(activation: str) -> None:
    case = make_case(activation, widths=LARGE, batch=1)
    start = feedforward(case)
    for curvature in (
        state_curvature(XP, case.energy, case.clamped(), start),
        error_curvature(XP, case.energy, case.clamped(), tuple(0.0 * s for s in start)),
        state_curvature(XP, case.energy, case.clamped(), case.states),
    ):
        values = np.linalg.eigvalsh(dense(curvature))
        found = extremes(curvature)
        assert found.smallest == pytest.approx(values[0], rel=1e-10)
        assert found.largest == pytest.approx(values[-1], rel=1e-10)
        expected = values[-1] / values[0] if values[0] > 0 else np.inf
        assert found.condition_number == pytest.approx(expected, rel=1e-9)
        assert found.largest_stable_step == pytest.approx(2 / values[-1], rel=1e-10)


def test_the_largest_eigenvalue_over_a_batch_is_that_of_its_steepest_sample() -> None:
    case = make_case("gelu", batch=5, loss="cross-entropy", gain=1.5)
    start, clamped = feedforward(case), case.clamped()
    together = largest_eigenvalue(operator_of(state_curvature(XP, case.energy, clamped, start)))
    alone: list[float] = []
    for k in range(5):
        rows = slice(k, k + 1)
        clamped = case.energy.clamp(XP, case.parameters, case.x[rows], case.y[rows])
        alone.append(extremes(state_curvature(XP, case.energy, clamped, tuple(s[rows] for s in start))).largest)
    assert together == pytest.approx(max(alone), rel=1e-12)


def test_the_operator_is_one_that_scipy_knows() -> None:
    case = make_case("tanh", batch=3)
    operator: Any = operator_of(state_curvature(XP, case.energy, case.clamped(), case.states))
    matrix = operator.matmat(np.eye(operator.shape[0]))
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-13)
    found = eigsh(operator, k=2, which="LA", v0=np.ones(operator.shape[0]), return_eigenvectors=False)
    np.testing.assert_allclose(np.sort(found), np.linalg.eigvalsh(matrix)[-2:], rtol=1e-10)


def test_a_matrix_that_is_not_positive_definite_is_said_to_be_none() -> None:
    case = make_case("tanh", batch=1)
    matrix = state_hessian(state_curvature(XP, case.energy, case.clamped(), tuple(3 * s for s in case.states)))
    assert np.linalg.eigvalsh(matrix.dense())[0] < 0
    with pytest.raises(NotPositiveDefinite, match=r"block \d of the Hessian is not positive definite"):
        matrix.factorised()
    with pytest.raises(NotPositiveDefinite, match="zero, to rounding"):
        block_extremes(matrix)


def test_a_network_without_hidden_layers_has_no_curvature() -> None:
    case = make_case("tanh", widths=(5, 3), batch=1)
    found = extremes(state_curvature(XP, case.energy, case.clamped(), ()))
    assert (found.largest, found.largest_stable_step) == (0.0, np.inf)


@pytest.mark.exhaustive
def test_a_smallest_eigenvalue_that_rounding_hides_is_zero() -> None:
    case = make_case("linear", widths=(6, *(30,) * 80, 3), skip=1, activation_first=True, batch=1, gain=1.0)
    matrix = state_hessian(state_curvature(XP, case.energy, case.clamped(), feedforward(case)))
    found = extremes(state_curvature(XP, case.energy, case.clamped(), feedforward(case)))
    assert found.smallest == 0.0
    assert found.condition_number == np.inf
    assert found.largest == pytest.approx(np.linalg.eigvalsh(matrix.dense())[-1], rel=1e-10)
    errors = tuple(np.zeros_like(s) for s in feedforward(case))
    assert extremes(error_curvature(XP, case.energy, case.clamped(), errors)).condition_number == np.inf


@pytest.mark.parametrize("shift", [1e-9, 1e-3, 0.3, 40.0])
def test_the_lowest_eigenvalue_of_an_indefinite_matrix_is_found(shift: float) -> None:
    case = make_case("tanh", widths=(6, *(30,) * 20, 3), batch=1)
    matrix = state_hessian(state_curvature(XP, case.energy, case.clamped(), feedforward(case)))
    low, *_, high = np.linalg.eigvalsh(matrix.dense())
    shifted = matrix.plus(-low - shift)
    assert lowest_eigenvalue(shifted, high - low - shift) == pytest.approx(-shift, rel=1e-9, abs=1e-13 * high)
    assert matrix.blocks[0, 0] is not shifted.blocks[0, 0]
