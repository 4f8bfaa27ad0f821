"""JAX on a GPU: the other tests here run wherever JAX does by default; these make sure that it is the GPU."""

import jax
import numpy as np
import pytest
from pcsim_jax import JaxBackend

from pcsim.inference import ErrorOptimization, StateOptimization
from pcsim.model.losses import CrossEntropy
from pcsim.trace import Block
from tests.support.cases import join, make_case, make_task, settle

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(jax.default_backend() != "gpu", reason="JAX sees no GPU here"),
]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "relu"])
@pytest.mark.parametrize("method", [StateOptimization, ErrorOptimization])
def test_wide_layers_start_from_exact_zeros_and_agree(method: type, activation: str, precision: str) -> None:
    case = make_case(activation, widths=(64, *(256,) * 6, 10), batch=32, loss="cross-entropy")
    task = make_task(case, method(case.energy), steps=8, precision=precision, record=("energy",))
    blocks: list[Block] = []
    ours = JaxBackend().settle(task, blocks.append, lambda clock: False)
    theirs, reference = settle(task)
    rows = join(blocks)
    assert "gpu" in JaxBackend().capabilities().device
    assert isinstance(case.energy.loss, CrossEntropy)
    assert rows.energy is not None
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(rows.energy == 0, reference.energy == 0)
    np.testing.assert_allclose(rows.energy, reference.energy, rtol=1e-10 if precision == "float64" else 1e-3)
