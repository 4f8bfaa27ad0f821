"""The order of every solver with constant steps, measured on dyadic step sizes."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_jax import flow

from pcsim.theory import linear_system, linear_trajectory
from tests.cases import Case, make_case
from tests.test_jax_flow import flow_task, settle

END = 4.0
ORDERS = {
    "euler": (1, (6, 7, 8)),
    "heun": (2, (5, 6, 7)),
    "midpoint": (2, (5, 6, 7)),
    "bosh3": (3, (4, 5, 6)),
    "tsit5": (5, (2, 3, 4)),
    "dopri5": (5, (2, 3, 4)),
    "dopri8": (8, (1, 2)),
    "kvaerno3": (3, (4, 5, 6)),
    "kvaerno5": (5, (2, 3, 4)),
}
CASES = {"linear": make_case("linear", widths=(4, 5, 5, 3)), "tanh": make_case("tanh", widths=(4, 5, 5, 3))}


def reference(name: str) -> NDArray[np.float64]:
    """The states at the end, all in a row: exact, or those of the highest order at a tight tolerance."""
    case = CASES[name]
    if name == "linear":
        trajectory = linear_trajectory(linear_system(case.energy, case.parameters, case.x, case.y))
        return np.concatenate([s[0] for s in trajectory.states(trajectory.flow([END]))], axis=1)
    settled, _, _ = settle(flow_task(case, "dopri8", times=(END,), rtol=1e-13, atol=1e-15))
    return np.concatenate(settled.states[:-1], axis=1)


def errors(case: Case, solver: str, powers: Sequence[int], exact: NDArray[np.float64]) -> list[float]:
    found: list[float] = []
    for power in powers:
        settled, _, _ = settle(flow_task(case, solver, times=(END,), step_size=2.0**-power))
        # assert settled.steps_taken == int(END * 2**power)
        found.append(float(np.linalg.norm(np.concatenate(settled.states[:-1], axis=1) - exact)))
    return found


def test_every_solver_has_an_order() -> None:
    assert set(ORDERS) == set(flow.SOLVERS)


@pytest.mark.parametrize("name", ["linear", "tanh"])
@pytest.mark.parametrize("solver", list(ORDERS))
def test_order(solver: str, name: str) -> None:
    order, powers = ORDERS[solver]
    found = errors(CASES[name], solver, powers, reference(name))
    measured = np.log2(np.array(found[:-1]) / np.array(found[1:]))
    assert abs(measured[-1] - order) < 0.2, f"errors {found}, orders {measured}"
