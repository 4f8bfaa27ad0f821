"""Inference in float16 and bfloat16: finite trajectories, and how they leave float64's."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_numpy import NumpyBackend

from pcsim.errors import UsageError
from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    FixedPredictions,
    IncrementStateOptimization,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.inference.steppers import Momentum
from pcsim.model.arithmetic import Arithmetic, check_arithmetic
from tests.support.cases import ACTIVATIONS, LOSSES, Case, make_case, make_task, settle
from tests.support.covering import covering
from tests.support.narrow import NARROW, unit

METHODS = [
    StateOptimization,
    IncrementStateOptimization,
    ErrorOptimization,
    SequentialStateOptimization,
    FixedPredictions,
    Backprop,
]


each_precision = pytest.mark.parametrize("precision", NARROW)


@covering(method=METHODS, activation=list(ACTIVATIONS), loss=[*LOSSES, "soft"], precision=NARROW)
def test_trajectories_stay_in_the_format_and_near_float64(
    method: Any, activation: str, loss: str, precision: str
) -> None:
    chosen: dict[str, Any] = {"clamp_precision": 2.0} if loss == "soft" else {"loss": loss}
    case = make_case(activation, precisions=True, decays=True, **chosen)
    record = ("energy", "grad_norm", "states", "errors", "weight_gradient")
    task = make_task(case, method(case.energy), stepper=Momentum(0.05, 0.5), precision=precision, record=record)
    settled, rows = settle(task)
    _, reference = settle(replace(task, precision="float64"))
    law = unit(precision).law
    for array in (*settled.states, *settled.errors, *rows.states, *(layer["W"] for layer in settled.gradient)):
        assert type(array) is np.ndarray
        assert array.dtype == np.float32
        assert np.isfinite(array).all()
        np.testing.assert_array_equal(law(array), array)
    assert np.isfinite(rows.grad_norm).all()
    epsilon = {"float16": 2.0**-10, "bfloat16": 2.0**-7}[precision]
    # Measured: at most 1.2 epsilon of the largest energy over all these cases.
    deviation = np.abs(rows.energy[:, -1] - reference.energy[:, -1]).max()
    assert deviation <= 4 * epsilon * reference.energy[:, -1].max()


def deep_case() -> Case:
    return make_case("gelu", widths=(64, *[128] * 19, 10), batch=1, loss="cross-entropy", gain=2**0.5)


@cache
def final_energy(precision: str, **options: Any) -> NDArray[np.float64]:
    task = make_task(deep_case(), steps=64, precision=precision, arithmetic=Arithmetic(**options))
    return settle(task)[1].energy[-1]


@each_precision
def test_narrow_formats_follow_float64_at_the_top_and_fall_silent_below(precision: str) -> None:
    exact, narrow = final_energy("float64"), final_energy(precision)
    tolerance = {"float16": 0.01, "bfloat16": 0.2}[precision]
    np.testing.assert_allclose(narrow[-4:], exact[-4:], rtol=tolerance)
    assert (exact[:5] > 0).all()
    assert (narrow[:5] == 0).all()


def test_stochastic_rounding_keeps_the_top_energies_nearer_than_nearest_does() -> None:
    exact = final_energy("bfloat16"), final_energy("float64"), final_energy("bfloat16", rounding="stochastic", seed=3)
    nearest, reference, stochastic = (energy[-3:-1] for energy in exact)
    assert (np.abs(stochastic / reference - 1) < np.abs(nearest / reference - 1)).all()


@each_precision
def test_stochastic_runs_repeat_bit_for_bit_and_follow_their_seed(precision: str) -> None:
    case = make_case("tanh", loss="cross-entropy")

    def run(seed: int) -> NDArray[np.float64]:
        arithmetic = Arithmetic(rounding="stochastic", accumulate=precision, seed=seed)
        return settle(make_task(case, precision=precision, arithmetic=arithmetic))[1].energy

    np.testing.assert_array_equal(run(1), run(1))
    assert (run(1) != run(2)).any()


@pytest.mark.parametrize(
    ("wanted", "options", "line"),
    [
        ("float16", {"rounding": "stochastc"}, "did you mean 'stochastic'"),
        ("float16", {"accumulate": "float8"}, 'inference.accumulate = "float8" is not allowed; give one of float32'),
        ("float64", {"rounding": "stochastic"}, "is for the precisions float16 and bfloat16, not float64; set backend"),
        ("float32", {"accumulate": "float16"}, 'or inference.accumulate = "float32"'),
    ],
)
def test_arithmetic_that_a_precision_has_no_use_for_is_refused(wanted: str, options: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError, match=line):
        check_arithmetic(wanted, Arithmetic(**options))
    with pytest.raises(UsageError, match=line):
        NumpyBackend().estimate(make_task(make_case(), precision=wanted, arithmetic=Arithmetic(**options)))
