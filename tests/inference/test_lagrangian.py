"""The augmented Lagrangian: against one written in textbook lines and differentiated by JAX, and where it ends."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcsim.curvature.steps import curvature_of, operator_of
from pcsim.inference import AugmentedLagrangian, StateOptimization
from pcsim.inference.steppers import GradientDescent, Momentum
from pcsim.inference.stopping import StopRule
from pcsim.learning import SGD
from tests.support.cases import XP, Case, make_case, make_task, settle
from tests.support.covering import covering
from tests.support.learning import RATE, STEP_SIZE, STEPS, assert_same, batches, combined, forward, learner_on, train

pytestmark = pytest.mark.usefixtures("jax_in_double")

CASES: dict[str, dict[str, Any]] = {
    "tanh": {},
    "gelu-ce": {"activation": "gelu", "loss": "cross-entropy"},
    "mupc": {"activation_first": True, "mupc": True, "skip": 2, "precisions": True, "decays": True},
}
WAYS = [(1.0, 1), (0.5, 1), (1.0, 3)]


def lagrangian(case: Case, states: Any, multipliers: Any, parameters: Any, x: Any, y: Any) -> Any:
    """Σ γ/2 ‖c‖² + λᵀc + ℓ, summed over the batch."""
    gaps = [s - case.oracle.prediction(parameters, states, x, i) for i, s in enumerate(states)]
    products = sum(jnp.sum(m * c) for m, c in zip(multipliers, gaps, strict=True))
    return case.oracle.energy_of_states(states, parameters, x, y) + products


def settled(
    case: Case, slopes_of: Callable[..., Any], parameters: Any, x: Any, y: Any, share: float, every: int
) -> tuple[Any, Any]:
    """Return states and multipliers as the method of multipliers leaves them, its last ascent left out."""
    states = forward(case, parameters, x)[0]
    multipliers = [jnp.zeros_like(s) for s in states]
    for step in range(1, STEPS + 1):
        slopes = slopes_of(states, multipliers, parameters, x, y)
        states = combined(lambda s, g: s - STEP_SIZE * g, states, slopes)
        if step % every == 0 and step < STEPS:
            gaps = [s - case.oracle.prediction(parameters, states, x, i) for i, s in enumerate(states)]
            multipliers = [
                m + share * gamma * c for m, gamma, c in zip(multipliers, case.energy.precisions, gaps, strict=True)
            ]
    return states, multipliers


@covering(name=list(CASES), way=WAYS)
def test_ten_updates_follow_automatic_differentiation(name: str, way: tuple[float, int]) -> None:
    case = make_case(widths=(5, 6, 6, 3), **CASES[name])

    state_slopes, weight_slopes = (jax.jit(jax.grad(partial(lagrangian, case), argnums=k)) for k in (0, 2))
    parameters: Any = case.parameters
    learner = learner_on(AugmentedLagrangian(case.energy, *way), optimizer=SGD())
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        states, multipliers = settled(case, state_slopes, parameters, x, y, *way)
        slopes = weight_slopes(states, multipliers, parameters, x, y)
        parameters = combined(lambda w, g, x=x: w - RATE * g / len(x), parameters, slopes)
        assert_same(ours.parameters, parameters, 1e-9)


def loss_slopes(case: Case) -> Any:
    def loss(parameters: Any) -> Any:
        return case.oracle.output_loss(forward(case, parameters, case.x)[1], case.y) / len(case.x)

    return jax.jit(jax.grad(loss))(case.parameters)


@pytest.mark.parametrize(
    "options",
    [{"activation": "linear"}, {"activation": "linear", "skip": 2, "precisions": True}, {"loss": "cross-entropy"}],
)
def test_where_it_rests_weights_learn_by_backpropagations_gradient(options: dict[str, Any]) -> None:
    case = make_case(gain=0.8, **options)
    task = make_task(
        case,
        AugmentedLagrangian(case.energy),
        stepper=GradientDescent(0.1),
        steps=20_000,
        recorded=(0,),
        stop=StopRule(grad_norm=1e-10),
        record=("weight_gradient",),
    )
    ended, _ = settle(task)
    assert ended.converged
    assert_same(ended.gradient, loss_slopes(case), 1e-8)
    assert_same(ended.states[:-1], forward(case, case.parameters, case.x)[0], 1e-8)
    plain, _ = settle(make_task(case, StateOptimization(case.energy), steps=2000, record=("weight_gradient",)))
    apart = [np.abs(a["W"] - np.asarray(b["W"])).max() for a, b in zip(plain.gradient, loss_slopes(case), strict=True)]
    assert min(apart) > 1e-3  # state optimization rests elsewhere


@pytest.mark.parametrize("share", [0.5, 1.0, 1.9])
def test_steps_are_stable_up_to_their_limit(share: float) -> None:
    """4/((2 + share) λ_max) is exact without the loss, whose curvature is small beside that of equal layers here."""
    case = make_case("linear", widths=(5, 6, 6, 6, 6, 3), gain=1.0)
    inference = AugmentedLagrangian(case.energy, share)
    curvature = curvature_of(XP, inference, case.energy, case.clamped(), None)
    size = sum(s[0].size for s in case.states) * len(case.x)
    matrix = operator_of(curvature) @ np.eye(size)
    largest = np.linalg.eigvalsh(np.asarray(matrix))[-1]
    limit = 4.0 / ((2.0 + share) * largest)

    def sizes(step_size: float) -> float:
        task = make_task(case, inference, stepper=GradientDescent(step_size), steps=1000, recorded=(0,))
        return float(max(np.abs(s).max() for s in settle(task)[0].states))

    assert sizes(0.99 * limit) < 10.0
    assert sizes(1.15 * limit) > 1e6


def test_a_trajectory_does_not_depend_on_the_batch() -> None:
    case = make_case("gelu", batch=3)
    task = make_task(case, AugmentedLagrangian(case.energy, dual_every=2), stepper=Momentum(0.1), steps=9)
    one = make_task(
        case,
        AugmentedLagrangian(case.energy, dual_every=2),
        stepper=Momentum(0.1),
        steps=9,
        x=case.x[1:2],
        y=case.y[1:2],
    )
    for a, b in zip(settle(task)[0].errors, settle(one)[0].errors, strict=True):
        np.testing.assert_allclose(a[1:2], b, rtol=0, atol=1e-14)


def test_the_signal_moves_one_layer_a_step_and_multipliers_gather_it() -> None:
    case = make_case("tanh")
    ended, rows = settle(make_task(case, AugmentedLagrangian(case.energy), steps=6, record=("energy", "errors")))
    assert ended.arrival_steps.tolist() == [4, 3, 2, 1, 0]
    plain, _ = settle(make_task(case, StateOptimization(case.energy), steps=1))
    for a, b in zip(rows.errors, plain.errors, strict=True):
        np.testing.assert_array_equal(a[1], b)  # after one step nothing has been gathered yet
    assert (rows.energy[0, :-1] == 0).all()
