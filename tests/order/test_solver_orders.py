"""The order of every solver with constant steps, measured on dyadic step sizes from random states."""

import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_jax import flow

from pcsim.linear import linear_system
from tests.backends.jax.test_flow import flow_task, settle
from tests.support.cases import Case, make_case

END = 0.5
# Powers of 1/2 between which the order is measured: small enough steps for the leading term, errors above rounding.
ORDERS = {
    "euler": (1, (8, 9)),
    "heun": (2, (7, 8)),
    "midpoint": (2, (7, 8)),
    "bosh3": (3, (6, 7)),
    "tsit5": (5, (6, 7)),
    "dopri5": (5, (6, 7)),
    "dopri8": (8, (3, 5)),
    "kvaerno3": (3, (6, 7)),
    "kvaerno5": (5, (5, 6)),
}
# On the linear network rounding comes earlier.
LINEAR = ORDERS | {"dopri8": (8, (2, 3))}
CASES = {"linear": make_case("linear", widths=(4, 5, 5, 3)), "tanh": make_case("tanh", widths=(4, 5, 5, 3))}


def end(case: Case, solver: str, power: int) -> NDArray[np.float64]:
    """The free states at the end, all in a row."""
    settled, _, _ = settle(flow_task(case, solver, times=(END,), step_size=2.0**-power, initial=case.states))
    assert settled.steps_taken == int(END * 2**power)
    return np.concatenate(settled.states[:-1], axis=1)


def measured(case: Case, solver: str, powers: tuple[int, int], reference: NDArray[np.float64]) -> float:
    """The order between a large and a small step."""
    large, small = powers
    errors = [float(np.linalg.norm(end(case, solver, power) - reference)) for power in (large, small)]
    return float(np.log2(errors[0] / errors[1])) / (small - large)


def test_every_solver_has_an_order() -> None:
    assert set(ORDERS) == set(flow.SOLVERS) == set(flow.METHODS)


@pytest.mark.exhaustive
@pytest.mark.parametrize("solver", ["heun", "kvaerno3"])
def test_order_on_a_nonlinear_network(solver: str) -> None:
    expected, powers = ORDERS[solver]
    order = measured(CASES["tanh"], solver, powers, end(CASES["tanh"], "dopri8", 8))
    assert abs(order - expected) < 0.2


@pytest.mark.exhaustive
@pytest.mark.parametrize("solver", list(ORDERS))
def test_order_against_the_exact_solution(solver: str) -> None:
    case = CASES["linear"]
    trajectory = linear_system(case.energy, case.parameters, case.x, case.y).trajectory(case.states)
    exact = np.concatenate([s[0] for s in trajectory.states(trajectory.flow([END]))], axis=1)
    expected, powers = LINEAR[solver]
    order = measured(case, solver, powers, exact)
    assert order > expected - 0.2
    # The linear part of these two is made so accurate that in float64 its leading term is never the largest.
    if solver not in ("tsit5", "dopri8"):
        assert order < expected + 0.2
