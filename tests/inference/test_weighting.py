"""Precisions that rise where the signal passes, and weights that learn against the feedforward pass."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

from pcsim.errors import UsageError
from pcsim.inference import ErrorOptimization, PrecisionWeighted, StateOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.weighting import distances
from pcsim.learning import SGD, AgainstForwardPass, Learner
from pcsim.learning.trainer import TrainingTask
from tests.shim.device import CpuCupyBackend
from tests.support.cases import Case, make_case, make_task, settle
from tests.support.covering import covering
from tests.support.learning import (
    CASES,
    RATE,
    STEP_SIZE,
    STEPS,
    assert_same,
    batches,
    combined,
    forward,
    learner_on,
    train,
)

pytestmark = pytest.mark.usefixtures("jax_in_double")


Way = tuple[float, float | None]
"""What is left of a spike after every step, and its size."""


def weight(step: int, distance: int, way: Way) -> float:
    """Return what a layer's precision is multiplied by in a step, spelt out."""
    kept, spike = way[0], way[1] or 1.0 / STEP_SIZE
    if step < distance + 1:
        return 1.0
    return 1.0 + (spike - 1.0) * kept ** (step - distance - 1)


def weighted_energy(case: Case, states: Any, weights: list[float], parameters: Any, x: Any, y: Any) -> Any:
    total = 0.0
    for i, state in enumerate(states):
        error = state - case.oracle.prediction(parameters, states, x, i)
        total += weights[i] * case.energy.precisions[i] / 2 * (error**2).sum()
        total += case.energy.decays[i] / 2 * (state**2).sum()
    return total + weights[-1] * case.oracle.output_loss(case.oracle.prediction(parameters, states, x, len(states)), y)


def settled(case: Case, slopes_of: Callable[..., Any], way: Way, parameters: Any, x: Any, y: Any) -> Any:
    states, skip = forward(case, parameters, x)[0], case.equations.get("skip")
    last = len(parameters) - 1
    away = {last: 0}
    for i in reversed(range(last)):
        # The output reads the layer below alone, others the one `skip` layers below as well.
        above = [i + 1, i + skip] if skip and i + skip < last else [i + 1]
        away[i] = 1 + min(away[j] for j in above)
    for step in range(1, STEPS + 1):
        weights = [weight(step, away[i], way) for i in range(last + 1)]
        states = combined(lambda s, g: s - STEP_SIZE * g, states, slopes_of(states, weights, parameters, x, y))
    return states


def updated(case: Case, settle_on: Callable[..., Any], rule: str) -> Callable[..., Any]:
    def against(w: Any, states: Any, parameters: Any, x: Any, y: Any) -> Any:
        """The energy of predictions from the feedforward states, in the weights alone."""
        below, _ = forward(case, parameters, x)
        total = case.oracle.output_loss(case.oracle.prediction(w, below, x, len(below)), y)
        for i, state in enumerate(states):
            total += case.energy.precisions[i] / 2 * ((state - case.oracle.prediction(w, below, x, i)) ** 2).sum()
        return total

    def settled_energy(w: Any, states: Any, _: Any, x: Any, y: Any) -> Any:
        return case.oracle.energy_of_states(states, w, x, y)

    slopes_of = jax.jit(jax.grad(against if rule == "forward" else settled_energy))

    def update(parameters: Any, x: Any, y: Any) -> Any:
        slopes = slopes_of(parameters, settle_on(parameters, x, y), parameters, x, y)
        return combined(lambda w, g: w - RATE * g / len(x), parameters, slopes)

    return update


@covering(name=list(CASES), way=[(0.0, None), (0.6, 3.0)], rule=["pc", "forward"])
def test_ten_updates_follow_automatic_differentiation(name: str, way: Way, rule: str) -> None:
    case = make_case(widths=(5, 6, 6, 6, 3), **CASES[name])
    update = updated(case, partial(settled, case, jax.jit(jax.grad(partial(weighted_energy, case))), way), rule)
    options: dict[str, Any] = {"rule": AgainstForwardPass()} if rule == "forward" else {}
    learner = learner_on(PrecisionWeighted(case.energy, *way), optimizer=SGD(), **options)
    parameters: Any = case.parameters
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        parameters = update(parameters, x, y)
        assert_same(ours.parameters, parameters, 1e-9)


def test_a_spike_hands_the_whole_error_down() -> None:
    case = make_case("tanh")
    ended, rows = settle(make_task(case, PrecisionWeighted(case.energy), steps=4, record=("errors",)))
    _, plain = settle(make_task(case, StateOptimization(case.energy), steps=4, record=("errors",)))
    last = len(case.network.layers) - 1
    for d in range(1, last + 1):
        share = np.abs(rows.errors[last - d][d]).max() / np.abs(plain.errors[last - d][d]).max()
        np.testing.assert_allclose(share, 10.0**d, rtol=1e-9)  # λ = 0.1 a layer in plain descent
    assert ended.arrival_steps.tolist() == [4, 3, 2, 1, 0]


def test_distances_are_those_of_the_shortest_way() -> None:
    assert distances(make_case().network) == (4, 3, 2, 1, 0)
    assert distances(make_case(skip=2, widths=(5, 6, 6, 6, 6, 6, 3)).network) == (3, 3, 2, 2, 1, 0)


def test_both_rules_are_one_where_no_prediction_has_moved() -> None:
    case = make_case("linear", widths=(5, 6, 3))
    ways = [
        train(case, learner_on(StateOptimization(case.energy), steps=1, optimizer=SGD(), **options))[0].parameters
        for options in ({}, {"rule": AgainstForwardPass()})
    ]
    assert_same(ways[0][0], ways[1][0], 0)
    assert np.abs(ways[0][1]["W"] - ways[1][1]["W"]).max() > 1e-6


def test_kernels_refuse_the_rule() -> None:
    case = make_case("tanh")
    learner = Learner(ErrorOptimization(case.energy), GradientDescent(0.1), 2, SGD(), AgainstForwardPass())
    with pytest.raises(UsageError, match="no kernels for learning by AgainstForwardPass"):
        CpuCupyBackend().trainer(TrainingTask(learner, case.parameters, case.x, case.y, "float64"))
