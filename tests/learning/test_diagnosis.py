"""Cosine and norm ratio to backpropagation, and how far weights move, against automatic differentiation."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from pcsim.inference import Backprop, ErrorOptimization, IncrementStateOptimization, StateOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.learning import Adam, AfterEveryStep, Batch, Learner, Momentum, fresh
from pcsim.learning.diagnosis import Alignment, Diagnosis, diagnose
from tests.support.cases import METHODS, XP, Case, make_case
from tests.support.covering import covering
from tests.support.learning import CASES, RATE, SETTLED, learner_on, settled, textbook

pytestmark = pytest.mark.usefixtures("jax_in_double")


def diagnosed(case: Case, learner: Learner, precision: str = "float64", number: int = 1) -> Diagnosis:
    dtype = np.dtype(precision)
    parameters = tuple({k: v.astype(dtype) for k, v in own.items()} for own in case.parameters)
    memory, data = fresh(XP, learner, parameters), (case.x.astype(dtype), case.y.astype(dtype))
    with np.errstate(all="ignore"):
        return diagnose(Batch(XP, learner, *data), parameters, memory, RATE, number)


def aligned(case: Case, learner: Learner, precision: str = "float64") -> Alignment:
    found = diagnosed(case, learner, precision).alignment
    assert found is not None
    return found


def matrices(slopes: Any) -> list[NDArray[np.float64]]:
    return [np.asarray(own["W"], dtype=np.float64) for own in slopes]


def cosines(ours: Any, theirs: Any) -> list[float]:
    pairs = zip(matrices(ours), matrices(theirs), strict=True)
    return [float(np.vdot(a, b) / np.linalg.norm(a) / np.linalg.norm(b)) for a, b in pairs]


def ratios(ours: Any, theirs: Any) -> list[float]:
    return [float(np.linalg.norm(a) / np.linalg.norm(b)) for a, b in zip(matrices(ours), matrices(theirs), strict=True)]


@covering(method=list(SETTLED), name=list(CASES))
def test_gradients_are_compared_with_those_of_the_loss(method: str, name: str) -> None:
    case = make_case(**CASES[name])
    book, given = textbook(name), (case.parameters, case.x, case.y)
    ours = book.weight_slopes(settled(SETTLED[method], name)(*given), *given)
    theirs = book.loss_slopes(*given)
    found = aligned(case, learner_on(METHODS[method](case.energy), optimizer=Adam()))
    np.testing.assert_allclose(found.cosine, cosines(ours, theirs), rtol=1e-9)
    np.testing.assert_allclose(found.norm_ratio, ratios(ours, theirs), rtol=1e-9)
    assert min(cosines(ours, theirs)) < 0.99  # so that the test would see a gradient compared with itself


@pytest.mark.parametrize("rule", ["pc", "incremental", "backprop"])
def test_the_whole_update_is_measured(rule: str) -> None:
    case = make_case()
    options: dict[str, Any] = {"optimizer": Momentum(weight_decay=0.3), "clip": 1e-3}
    if rule == "incremental":
        options["rule"] = AfterEveryStep()
    inference = Backprop(case.energy) if rule == "backprop" else StateOptimization(case.energy)
    learner = learner_on(inference, **options)
    memory = fresh(XP, learner, case.parameters)
    learned = Batch(XP, learner, case.x, case.y).learn(case.parameters, memory, RATE, 1)
    changes = [
        {"W": after["W"] - before["W"]} for after, before in zip(learned.parameters, case.parameters, strict=True)
    ]
    found = diagnosed(case, learner)
    np.testing.assert_allclose(found.update_ratio, ratios(changes, case.parameters), rtol=1e-9)
    assert (found.alignment is None) == (rule == "backprop")


def test_incremental_learning_is_compared_at_fixed_weights() -> None:
    case = make_case("gelu")
    inference = StateOptimization(case.energy)
    incremental, at_the_end = (
        diagnosed(case, learner_on(inference, **options)) for options in ({"rule": AfterEveryStep()}, {})
    )
    assert incremental.alignment is not None
    assert at_the_end.alignment is not None
    np.testing.assert_array_equal(incremental.alignment, at_the_end.alignment)
    assert (incremental.update_ratio != at_the_end.update_ratio).any()


def test_gradients_whose_squares_underflow_have_a_cosine() -> None:
    """One error step of 1e-30 is backpropagation scaled by that, with squares of 1e-60: none in float32."""
    case = make_case("gelu")
    learner = learner_on(ErrorOptimization(case.energy), stepper=GradientDescent(1e-30), steps=1)
    found = aligned(case, learner, "float32")
    np.testing.assert_allclose(found.cosine, 1.0, atol=1e-6)
    np.testing.assert_allclose(found.norm_ratio, [1e-30] * 4 + [1.0], rtol=1e-5)


def test_a_gradient_of_zero_has_no_direction() -> None:
    case = make_case()
    learner = learner_on(IncrementStateOptimization(case.energy), steps=2)
    found = aligned(case, learner)
    assert np.isnan(found.cosine).tolist() == [True, True, False, False, False]
    np.testing.assert_array_equal(found.norm_ratio[:2], 0.0)
    np.testing.assert_array_equal(diagnosed(case, learner).update_ratio[:2], 0.0)


def test_weights_of_zero_have_no_ratio() -> None:
    case = make_case()
    for own in case.parameters:
        own["W"][:] = 0.0
    found = diagnosed(case, learner_on(StateOptimization(case.energy)))
    assert np.isnan(found.update_ratio).all()


def test_much_inference_leaves_the_direction_of_backpropagation() -> None:
    case = make_case("gelu", loss="cross-entropy", gain=1.4)
    little, much = (
        aligned(case, learner_on(ErrorOptimization(case.energy), stepper=GradientDescent(size), steps=5)).cosine
        for size in (1e-4, 0.2)
    )
    assert np.min(little) > 0.99
    assert np.min(much) < 0.99
