"""What the CuPy backend holds to beyond the conformance suite: tiles, rows and stretches, on the CPU too."""

import numpy as np
import pytest
from pcsim_cupy import CupyBackend
from pcsim_numpy import NumpyBackend

from pcsim.conformance.agreement import RECORD, assert_agreement, assert_close, present
from pcsim.conformance.cases import settle_on
from pcsim.conformance.subject import Subject
from pcsim.engine.backend import Task
from pcsim.inference.stopping import StopRule
from tests.backends.cupy.devices import BACKENDS
from tests.support.cases import METHODS, make_case, make_task, settle


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> CupyBackend:
    return request.param


def assert_parity(backend: CupyBackend, task: Task) -> None:
    assert_agreement(Subject("cupy", backend), task, NumpyBackend())


@pytest.mark.parametrize("batch", [1, 7, 130])
def test_widths_and_batches_that_fill_no_tile(backend: CupyBackend, batch: int) -> None:
    case = make_case("tanh", widths=(9, 37, 70, 33, 3), batch=batch, bias=False)
    assert_parity(backend, make_task(case, record=RECORD, steps=4))
    assert_parity(backend, make_task(case, record=RECORD, steps=4, precision="float32"))


@pytest.mark.parametrize("rows", [2, 6, 64])
def test_more_steps_than_the_device_holds_rows_of(
    backend: CupyBackend, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcsim_cupy.kernels.buffers.MOST_ROWS", rows)
    task = make_task(make_case("linear"), steps=150, record=("energy",))
    (ours, seen), (theirs, reference) = settle_on(backend, task), settle(task)
    np.testing.assert_array_equal(seen.clock, reference.clock)
    np.testing.assert_array_equal(ours.arrival_steps, theirs.arrival_steps)
    assert_close("energies", present(seen.energy), present(reference.energy), 1e-10)


def test_a_stop_rule_that_is_met_while_the_next_stretch_runs(
    backend: CupyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pcsim.engine.loop.stretches.FIRST_STRETCH", 4)
    monkeypatch.setattr("pcsim.engine.loop.stretches.SECONDS", 1e-9)
    case = make_case("tanh", widths=(4, 5, 5, 5, 5, 3), batch=3)
    for method in ("state", "increment", "error", "sequential"):
        task = make_task(case, METHODS[method](case.energy), steps=200, stop=StopRule(grad_norm=0.02), record=RECORD)
        assert 0 < settle(task)[0].steps_taken < 200
        assert_parity(backend, task)


@pytest.mark.parametrize("precision", ["float64", "float32", "bfloat16", "float16"])
def test_runs_repeat_to_the_bit(backend: CupyBackend, precision: str) -> None:
    case = make_case("gelu", widths=(20, 40, 40, 40, 10), batch=70)
    task = make_task(case, record=("energy_per_sample", "weight_gradient"), steps=20, precision=precision)
    (once, rows), (again, same) = settle_on(backend, task), settle_on(backend, task)
    np.testing.assert_array_equal(present(rows.energy_per_sample), present(same.energy_per_sample))
    for a, b in zip((*once.states, *once.errors), (*again.states, *again.errors), strict=True):
        np.testing.assert_array_equal(a, b)
