"""What the Numba backend holds to beyond the conformance suite: tiles, bits, other people's methods, imports."""

import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from pcsim_numba import NumbaBackend
from pcsim_numpy import NumpyBackend

from pcsim.conformance.agreement import RECORD, assert_agreement, present
from pcsim.conformance.cases import ACTIVATIONS, settle_on
from pcsim.conformance.subject import Subject
from pcsim.engine.backend import Flow, Task
from pcsim.errors import UsageError
from pcsim.inference import StateOptimization
from pcsim.learning.trainer import TrainingTask
from tests.learning.test_learner import learner_on
from tests.support.cases import METHODS, make_case, make_task, settle

NUMBA = NumbaBackend()


def assert_parity(task: Task) -> None:
    assert_agreement(Subject("numba", NUMBA), task, NumpyBackend())


@pytest.mark.parametrize("batch", [1, 7, 130])
def test_widths_and_batches_that_fill_no_tile(batch: int) -> None:
    case = make_case("tanh", widths=(9, 37, 70, 33, 3), batch=batch, bias=False)
    assert_parity(make_task(case, record=RECORD, steps=4))
    assert_parity(make_task(case, record=RECORD, steps=4, precision="float32"))


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_samples_do_not_know_their_batch_nor_runs_the_hour(precision: str) -> None:
    case = make_case("gelu", widths=(20, 40, 40, 40, 10), batch=100)
    task = make_task(case, record=("energy_per_sample",), steps=40, precision=precision)
    (whole, rows), (again, same) = settle_on(NUMBA, task), settle_on(NUMBA, task)
    (part, _) = settle_on(NUMBA, replace(task, x=task.x[50:57], y=task.y[50:57]))
    np.testing.assert_array_equal(present(rows.energy_per_sample), present(same.energy_per_sample))
    for a, b, c in zip(whole.states, again.states, part.states, strict=True):
        np.testing.assert_array_equal(a, b)
        np.testing.assert_array_equal(a[50:57], c)


@pytest.mark.parametrize("method", ["state", "increment", "error"])
def test_flows_are_numpys_to_the_bit(method: str) -> None:
    for activation, precision in product(ACTIVATIONS, ("float64", "float32")):
        case = make_case(activation, widths=(4, 5, 5, 3), batch=2)
        motion = Flow("euler", (0.0, 0.3), step_size=0.1)
        task = make_task(case, METHODS[method](case.energy), motion=motion, record=RECORD, precision=precision)
        (ours, rows), (theirs, reference) = settle_on(NUMBA, task), settle(task)
        assert present(rows.energy).tobytes() == reference.energy.tobytes()
        for a, b in zip((*ours.states, *ours.errors), (*theirs.states, *theirs.errors), strict=True):
            assert a.dtype == precision
            assert a.tobytes() == b.tobytes()


class Unheard(StateOptimization):
    """A method of somebody else's."""


def test_methods_without_kernels_are_refused() -> None:
    case = make_case("tanh")
    with pytest.raises(UsageError, match=r'^numba has no kernels for Unheard; use backend = "jax" or "numpy"$'):
        NUMBA.estimate(make_task(case, Unheard(case.energy)))
    learner = learner_on(Unheard(case.energy))
    with pytest.raises(UsageError, match=r'^numba has no kernels for Unheard; use backend = "jax" or "numpy"$'):
        NUMBA.trainer(TrainingTask(learner, case.parameters, case.x, case.y, "float64"))


def test_numba_is_imported_only_to_run() -> None:
    program = """
import sys, pcsim, pcsim_numba
assert pcsim_numba.NumbaBackend().capabilities().problem is None
assert not {"numba", "llvmlite"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_found(name: str) -> None:
        assert name == "numba"

    monkeypatch.setattr("pcsim_numba.backend.find_spec", not_found)
    able = NUMBA.capabilities()
    assert able.problem == "not installed: numba"
    assert able.fix == "install it with: pip install 'pcsim[numba]'"
