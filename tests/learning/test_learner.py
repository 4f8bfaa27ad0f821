"""Learning from batches, against an oracle that differentiates everything automatically; and metrics."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import numpy as np
import pytest

from pcsim.errors import UsageError
from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    IncrementStateOptimization,
    StateOptimization,
)
from pcsim.inference.steppers import GradientDescent
from pcsim.learning import (
    SGD,
    Adam,
    AfterEveryStep,
    AtTheEnd,
    Momentum,
    PerLayer,
)
from tests.support.cases import METHODS, XP, make_case
from tests.support.covering import covering
from tests.support.learning import (
    CASES,
    RATE,
    SETTLED,
    STEP_SIZE,
    STEPS,
    UPDATES,
    assert_same,
    batches,
    combined,
    learner_on,
    settled,
    textbook,
    train,
)

pytestmark = pytest.mark.usefixtures("jax_in_double")


@cache
def followed_by_adam(way: Any, name: str) -> list[tuple[Any, ...]]:
    """Return output, energy and parameters of every update."""
    book, found = textbook(name), list[tuple[Any, ...]]()
    parameters: Any = book.case.parameters
    m = v = jax.tree.map(np.zeros_like, parameters)
    for k, (x, y) in enumerate(batches(book.case), 1):
        output, states = book.forward(parameters, x)[1], settled(way, name)(parameters, x, y)
        energy, g = book.energy(states, parameters, x, y), book.weight_slopes(states, parameters, x, y)
        m = combined(lambda m, g: 0.9 * m + 0.1 * np.asarray(g), m, g)
        v = combined(lambda v, g: 0.999 * v + 0.001 * np.asarray(g) ** 2, v, g)

        def move(w: Any, m: Any, v: Any, k: int = k) -> Any:
            return w - RATE * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)) ** 0.5 + 1e-8)

        parameters = jax.tree.map(move, parameters, m, v)
        found.append((output, energy, parameters))
    return found


@covering(method=list(SETTLED), name=list(CASES))
def test_ten_adam_updates_follow_automatic_differentiation(method: str, name: str) -> None:
    case = make_case(**CASES[name])
    found = train(case, learner_on(METHODS[method](case.energy), optimizer=Adam()))
    for ours, (output, energy, parameters) in zip(found, followed_by_adam(SETTLED[method], name), strict=True):
        np.testing.assert_allclose(ours.output, output, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(ours.layerwise.sum(), float(energy), rtol=1e-9)
        assert_same(ours.parameters, parameters, 1e-9)


@pytest.mark.parametrize("name", list(CASES))
def test_the_backprop_rule_follows_the_gradient_of_the_loss(name: str) -> None:
    case = make_case(**CASES[name])
    learner, parameters = learner_on(Backprop(case.energy.bare), steps=1), case.parameters
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        slopes = textbook(name).loss_slopes(parameters, x, y)
        parameters = combined(lambda w, g: w - RATE * g, parameters, slopes)
        assert_same(ours.parameters, parameters, 1e-12)


def test_one_error_step_from_zero_gives_scaled_backprop() -> None:
    case = make_case("gelu")
    inference, stepper = ErrorOptimization(case.energy), GradientDescent(STEP_SIZE)
    clamped = case.clamped()
    carry = inference.begin(XP, clamped, None, stepper)
    point = inference.evaluate(XP, clamped, carry)
    moved = inference.advance(XP, clamped, point, carry, stepper, 1)

    def loss_of_errors(errors: Any) -> Any:
        states = case.oracle.states_of_errors(errors, case.parameters, case.x)
        return case.oracle.output_loss(case.oracle.prediction(case.parameters, states, case.x, len(states)), case.y)

    slopes = jax.grad(loss_of_errors)([np.zeros_like(s) for s in case.states])
    assert_same(moved.variables, [-STEP_SIZE * g for g in slopes], 64 * float(np.finfo(np.float64).eps))


def test_one_small_error_step_changes_hidden_weights_in_the_direction_of_backprop() -> None:
    case, step_size = make_case(**CASES["gelu-ce"]), 1e-9
    learner = learner_on(ErrorOptimization(case.energy), stepper=GradientDescent(step_size), steps=1)
    x, y = batches(case)[0]
    changes = combined(lambda a, b: a - b, train(case, learner)[0].parameters, case.parameters)
    scaled = combined(
        lambda a, b: a - b, train(case, replace(learner, optimizer=PerLayer(SGD())))[0].parameters, case.parameters
    )
    expected = textbook("gelu-ce").loss_slopes(case.parameters, x, y)
    # The output layer's is not scaled by the step size; hidden changes, which it hides, are seen per layer.
    np.testing.assert_allclose(changes[-1]["W"], -RATE * expected[-1]["W"], rtol=1e-6)
    for change, slope in zip(scaled[:-1], expected[:-1], strict=True):
        np.testing.assert_allclose(change["W"], -RATE * slope["W"] / np.abs(slope["W"]).max(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("method", ["state", "sequential"])
@pytest.mark.parametrize("name", list(CASES))
def test_incremental_learning_follows_a_loop_by_hand(name: str, method: str) -> None:
    case = make_case(**CASES[name])
    learner = learner_on(METHODS[method](case.energy), rule=AfterEveryStep(), optimizer=Momentum(0.5))
    book, parameters = textbook(name), case.parameters
    velocity: Any = jax.tree.map(np.zeros_like, parameters)
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        states, output = book.forward(parameters, x)
        np.testing.assert_allclose(ours.output, output, rtol=1e-12, atol=1e-12)
        energy = 0.0
        for _ in range(STEPS):
            if method == "state":
                slopes = book.state_slopes(states, parameters, x, y)
                states = [s - STEP_SIZE * np.asarray(g) for s, g in zip(states, slopes, strict=True)]
            else:
                for i in reversed(range(len(states))):
                    states[i] = states[i] - STEP_SIZE * np.asarray(book.state_slopes(states, parameters, x, y)[i])
            energy = book.energy(states, parameters, x, y)
            slopes = book.weight_slopes(states, parameters, x, y)
            velocity = combined(lambda v, g: 0.5 * v + np.asarray(g), velocity, slopes)
            parameters = combined(lambda w, v: w - RATE * v, parameters, velocity)
        assert_same(ours.parameters, parameters, 1e-10)
        np.testing.assert_allclose(ours.layerwise.sum(), float(energy), rtol=1e-9)


def test_incremental_updates_are_counted_by_step() -> None:
    case, numbers = make_case(), []

    class Counting(SGD):
        def update(self, xp: Any, parameter: Any, gradient: Any, memory: Any, rate: Any, number: Any) -> Any:
            numbers.append(number)
            return super().update(xp, parameter, gradient, memory, rate, number)

    train(case, learner_on(StateOptimization(case.energy), rule=AfterEveryStep(), optimizer=Counting()))
    arrays = sum(map(len, case.parameters))
    assert numbers[::arrays] == list(range(1, UPDATES * STEPS + 1))


def test_with_one_step_incremental_learning_is_learning_at_the_end() -> None:
    case = make_case()
    learners = [
        learner_on(StateOptimization(case.energy), rule=rule, optimizer=Adam(), steps=1)
        for rule in (AtTheEnd(), AfterEveryStep())
    ]
    for ours, theirs in zip(*(train(case, learner) for learner in learners), strict=True):
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("method", ["increment", "error", "sequential-increment", "fixed", "backprop"])
def test_incremental_learning_refuses_inference_that_carries_its_errors(method: str) -> None:
    with pytest.raises(UsageError, match="incremental learning does not go with"):
        learner_on(METHODS[method](make_case().energy), rule=AfterEveryStep())


def test_learning_refuses_to_infer_for_no_step() -> None:
    with pytest.raises(UsageError, match="at least 1 step"):
        learner_on(StateOptimization(make_case().energy), steps=0)


def test_a_signal_that_has_not_arrived_is_reported() -> None:
    case = make_case()
    learner = learner_on(IncrementStateOptimization(case.energy), steps=2)
    for learned in train(case, learner):
        assert [bool(signal) for signal in learned.has_signal] == [False, False, True, True, True]
        np.testing.assert_array_equal(learned.layerwise[:2], 0.0)


def test_clipping_limits_the_change_of_all_weights_together() -> None:
    case = make_case()
    learner = learner_on(StateOptimization(case.energy), clip=1e-3)
    before: Any = case.parameters
    for learned in train(case, learner):
        changes = combined(lambda a, b: a - b, learned.parameters, before)
        length = np.sqrt(sum((c**2).sum() for c in jax.tree.leaves(changes)))
        np.testing.assert_allclose(length, RATE * 1e-3, rtol=1e-9)
        before = learned.parameters
