"""Chains in plain steps have passes of their own: they leave what the passes for all networks leave, to the bit."""

from itertools import product

import numpy as np
import pytest
from pcsim_numba import NumbaBackend

from pcsim.conformance.agreement import RECORD, present
from pcsim.conformance.cases import settle_on
from pcsim.inference.steppers import GradientDescent
from tests.support.cases import ACTIVATIONS, METHODS, make_case, make_task

NUMBA = NumbaBackend()
LITTLE = ("energy_per_sample", "weight_gradient")
"""Without the gradient's norms and the states of every step, which the passes for chains do not keep."""


@pytest.mark.parametrize("method", ["state", "increment", "error", "fixed"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_what_is_recorded_changes_no_bit(method: str, precision: str) -> None:
    for activation, first in product(ACTIVATIONS, (False, True)):
        case = make_case(activation, batch=9, precisions=True, activation_first=first)
        runs = [
            settle_on(NUMBA, make_task(case, METHODS[method](case.energy), record=record, precision=precision))
            for record in (RECORD, LITTLE)
        ]
        (whole, rows), (ours, own) = runs
        np.testing.assert_array_equal(present(own.energy_per_sample), present(rows.energy_per_sample))
        np.testing.assert_array_equal(ours.arrival_steps, whole.arrival_steps)
        for a, b in zip((*ours.states, *ours.errors), (*whole.states, *whole.errors), strict=True):
            np.testing.assert_array_equal(a, b)
        assert ours.gradient is not None
        assert whole.gradient is not None
        for layer, other in zip(ours.gradient, whole.gradient, strict=True):
            for name, array in layer.items():
                np.testing.assert_array_equal(array, other[name])


@pytest.mark.parametrize("method", ["state", "increment", "error"])
def test_runs_that_diverge_end_at_the_same_step(method: str) -> None:
    case = make_case("leaky_relu")
    runs = [
        settle_on(
            NUMBA,
            make_task(
                case,
                METHODS[method](case.energy),
                stepper=GradientDescent(1e4),
                steps=40,
                record=record,
                precision="float32",
            ),
        )[0]
        for record in (RECORD, LITTLE)
    ]
    whole, ours = runs
    assert ours.failure is not None
    assert (ours.failure, ours.steps_taken) == (whole.failure, whole.steps_taken)
    for a, b in zip((*ours.states, *ours.errors), (*whole.states, *whole.errors), strict=True):
        np.testing.assert_array_equal(a, b)
