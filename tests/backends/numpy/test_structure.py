"""Which variables of a sample depend on which: grouped differences, bandwidth, and what Jacobians need."""

from typing import Any

import numpy as np
import pytest
from pcsim_numpy.ode.sample_field import Jacobian, Pattern, SampleField
from pcsim_numpy.ode.solvers import solver_bytes
from pcsim_numpy.ode.structure import structure_of

from pcsim.errors import UsageError
from pcsim.inference import (
    ErrorOptimization,
    FixedPredictions,
    StateOptimization,
    gradient_flow,
)
from tests.support.cases import XP, make_case
from tests.support.flow_cases import METHODS, run


@pytest.mark.parametrize("options", [{}, {"skip": 1}, {"skip": 3}, {"widths": (4, 7, 2, 5, 3, 2)}], ids=str)
@pytest.mark.parametrize("method", [*METHODS, FixedPredictions])
def test_grouped_differences_give_the_whole_jacobian(method: Any, options: dict[str, Any]) -> None:
    case = make_case("gelu", batch=1, precisions=True, decays=True, loss="cross-entropy", **options)
    inference = method(case.energy)
    flow, structure = gradient_flow(inference), structure_of(inference)
    field = SampleField(XP, flow, structure, case.parameters, case.x, case.y)
    vector = np.random.default_rng(0).standard_normal(structure.size)
    dense = Jacobian(field, None)(0.0, vector)
    central = [(field(0.0, vector + d) - field(0.0, vector - d)) / 2e-6 for d in 1e-6 * np.eye(structure.size)]
    np.testing.assert_allclose(dense, np.stack(central, axis=1), atol=1e-6)
    np.testing.assert_allclose(Jacobian(field, Pattern(structure))(0.0, vector).toarray(), dense, atol=1e-6)
    rows, columns = np.nonzero(np.abs(dense) > 1e-6)
    assert np.abs(rows - columns).max() <= structure.bandwidth


def test_a_deep_network_has_a_sparse_jacobian() -> None:
    case = make_case("gelu", widths=(20, *(16,) * 19, 10))
    structure = structure_of(StateOptimization(case.energy))
    assert structure.groups.max() + 1 == 3 * 16
    assert structure.bandwidth == 2 * 16 - 1
    assert not structure.is_dense
    assert structure_of(ErrorOptimization(case.energy)).is_dense


def test_jacobians_beyond_the_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("tanh", widths=(5, *(64,) * 20, 3))
    for method, solver in ((ErrorOptimization, "radau"), (StateOptimization, "bdf"), (StateOptimization, "lsoda")):
        need = solver_bytes(solver, structure_of(method(case.energy)), 4)
        monkeypatch.setattr("pcsim_numpy.ode.solvers._memory", lambda need=need: need)
        with pytest.raises(UsageError, match="dopri5 or dopri8"):
            run(case, solver, method)
    assert solver_bytes("dopri5", structure_of(ErrorOptimization(case.energy)), 4) == 0.0
