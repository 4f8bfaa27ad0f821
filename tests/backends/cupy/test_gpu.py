"""CuPy on a GPU, beyond what the parity suite asks of it there: real widths, memory, and the shipped figure."""

from dataclasses import replace

import numpy as np
import pytest
from pcsim_cupy import CupyBackend

import pcsim
from pcsim.conformance.agreement import present
from pcsim.conformance.cases import settle_on
from pcsim.errors import UsageError
from pcsim.inference import ErrorOptimization, IncrementStateOptimization, StateOptimization
from tests.backends.cupy.devices import needs_gpu
from tests.support.cases import make_case, make_task, settle

pytestmark = [*needs_gpu]
CUPY = CupyBackend()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("activation", ["tanh", "gelu", "relu"])
@pytest.mark.parametrize("method", [StateOptimization, IncrementStateOptimization, ErrorOptimization])
def test_wide_layers_start_from_exact_zeros_and_agree(method: type, activation: str, precision: str) -> None:
    case = make_case(activation, widths=(64, *(256,) * 8, 10), batch=32, loss="cross-entropy")
    task = make_task(case, method(case.energy), steps=12, precision=precision, record=("energy",))
    (ours, rows), (theirs, reference) = settle_on(CUPY, task), settle(task)
    assert CUPY.capabilities().device.startswith("gpu (")
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_array_equal(present(rows.energy) == 0, present(reference.energy) == 0)
    np.testing.assert_allclose(
        present(rows.energy), present(reference.energy), rtol=1e-10 if precision == "float64" else 1e-3
    )


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_wide_narrow_runs_are_as_near_to_float64_as_numpys(precision: str) -> None:
    case = make_case("gelu", widths=(64, *(256,) * 6, 10), batch=16)
    task = make_task(case, IncrementStateOptimization(case.energy), steps=10, precision=precision, record=("energy",))
    (_, rows), (_, reference) = settle_on(CUPY, task), settle(task)
    exact = settle(replace(task, precision="float64"))[1]
    ours_off, theirs_off = (np.abs(present(r.energy) - present(exact.energy)).max(axis=0) for r in (rows, reference))
    assert (ours_off <= 2.0 * theirs_off + 1e-3 * present(exact.energy).max(axis=0)).all()


def test_the_shipped_figure_is_numpys() -> None:
    scenario = pcsim.read_scenario("signal-decay")
    ours, theirs = (pcsim.run(scenario, backend=name, precision="float64") for name in ("cupy", "numpy"))
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    np.testing.assert_allclose(ours.energy, theirs.energy, rtol=1e-8, atol=1e-300)


def test_a_network_larger_than_the_device_is_refused() -> None:
    case = make_case("tanh")
    samples = 8 * CUPY.free_memory() // (len(case.network.layers) * 8 * case.x.shape[1])
    x, y = (np.broadcast_to(a[:1], (samples, a.shape[1])) for a in (case.x, case.y))
    with pytest.raises(UsageError, match=r"needs about \d+ MiB of device memory, \d+ MiB are free"):
        CUPY.estimate(replace(make_task(case), x=x, y=y))
