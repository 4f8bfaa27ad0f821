"""Parametrisations for depth, γ and an output precision: theory, automatic differentiation and simulation agree."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest

import pcsim
from pcsim.errors import UsageError
from pcsim.inference import Equilibrium
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.linear import linear_system
from pcsim.model.energy import Energy
from pcsim.model.initialisers import Normal
from pcsim.model.layers import read_as_dense
from pcsim.model.losses import CrossEntropy, SquaredError, Weighted
from pcsim.runs.simulation import prepare
from pcsim.scenario import read_scenario
from tests.support.cases import METHODS, XP, make_case, make_task, settle
from tests.support.covering import covering
from tests.support.learning import RATE, STEP_SIZE, STEPS, assert_same, batches, combined, forward, learner_on, train

pytestmark = pytest.mark.usefixtures("jax_in_double")

WIDTHS, GAMMA = (5, 6, 6, 6, 6, 3), 2.5
DEPTH, WIDTH = len(WIDTHS) - 1, WIDTHS[-2]
PRECISE = "inference.output_precision=5"
SHAPES: dict[str, dict[str, Any]] = {
    "standard": {},
    "mupc": {"mupc": True, "activation_first": True},
    "ntp": {"ntp": True, "activation_first": True},
}


def weighted(energy: Energy, precision: float) -> Energy:
    return replace(energy, loss=Weighted(energy.loss, precision))


def jacobians(parameters: Any, scales: list[float], skip: int) -> list[Any]:
    """A_i = ∂ŷ/∂ε_i by the chain rule, layer by layer from the output down; columns are units."""
    last = len(scales) - 1
    found = [scales[last] * parameters[last]["W"].T]
    for i in range(last - 1, 0, -1):
        matrix = scales[i] * parameters[i]["W"].T + (np.eye(WIDTH) if skip else 0.0)
        found.insert(0, found[0] @ matrix)
    return found


@covering(name=list(SHAPES), skip=(0, 1), precision=(1.0, 0.3, GAMMA**2 * WIDTH * DEPTH))
def test_simulation_rests_at_the_energy_that_theory_rescales(name: str, skip: int, precision: float) -> None:
    case = make_case("linear", widths=WIDTHS, skip=skip, gamma=GAMMA, bias=False, **SHAPES[name])
    energy = weighted(case.energy, precision)
    system = linear_system(energy, case.parameters, case.x, case.y)
    task = make_task(case, Equilibrium(energy, 1e-11, 500), steps=500, stop=StopRule(grad_norm=1e-11), recorded=(0,))
    ended, _ = settle(task)
    assert ended.equilibria is not None
    scales = [dense.premultiplier for dense in map(read_as_dense, case.network.layers) if dense is not None]
    through = jacobians(case.parameters, scales, skip)
    rescaling = np.eye(3) / precision + sum(a @ a.T for a in through)
    output = forward(case, case.parameters, case.x)[1]
    residual = case.y - np.asarray(output)
    expected = 0.5 * np.sum(residual * np.linalg.solve(rescaling, residual.T).T, axis=1)
    np.testing.assert_allclose(system.rescaling(), rescaling, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(system.equilibrated_energy(), expected, rtol=1e-9)
    np.testing.assert_allclose(ended.equilibria.energy, expected, rtol=1e-9)
    for ours, theirs in zip(ended.states[:-1], system.equilibrium(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", SHAPES)
def test_descent_follows_the_trajectory_of_theory(name: str) -> None:
    case = make_case("linear", widths=WIDTHS, skip=1, gamma=GAMMA, **SHAPES[name])
    energy = weighted(case.energy, 3.0)
    system = linear_system(energy, case.parameters, case.x, case.y)
    step_size = 0.5 * system.largest_stable_step()
    stepper = GradientDescent(step_size)
    ended, _ = settle(make_task(case, METHODS["state"](energy), stepper=stepper, steps=25, recorded=(0,)))
    trajectory = system.trajectory()
    theory = trajectory.states(trajectory.descent([25], step_size))
    for ours, theirs in zip(ended.states[:-1], theory, strict=True):
        np.testing.assert_allclose(ours, theirs[0], rtol=1e-9, atol=1e-12)


@pytest.mark.exhaustive
@pytest.mark.parametrize("loss", ["squared-error", "cross-entropy"])
def test_ten_updates_follow_automatic_differentiation(loss: str) -> None:
    precision = 0.4
    case = make_case("tanh", widths=(5, 6, 6, 3), loss=loss, skip=1, gamma=GAMMA, ntp=True, activation_first=True)

    def energy(states: Any, parameters: Any, x: Any, y: Any) -> Any:
        output = case.oracle.prediction(parameters, states, x, len(states))
        return case.oracle.energy_of_states(states, parameters, x, y) - (1 - precision) * case.oracle.output_loss(
            output, y
        )

    @jax.jit
    def updated(parameters: Any, x: Any, y: Any) -> Any:
        def step(_: int, states: Any) -> Any:
            slopes = jax.grad(energy)(states, parameters, x, y)
            return combined(lambda s, g: s - STEP_SIZE * g, states, slopes)

        states = jax.lax.fori_loop(0, STEPS, step, forward(case, parameters, x)[0])
        slopes = jax.grad(partial(energy, states))(parameters, x, y)
        return combined(lambda w, g: w - RATE * g / len(x), parameters, slopes)

    parameters: Any = case.parameters
    learner = learner_on(METHODS["state"](weighted(case.energy, precision)))
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        parameters = updated(parameters, x, y)
        assert_same(ours.parameters, parameters, 1e-9)


def test_the_words_of_a_scenario_make_what_they_say() -> None:
    told = ["network.parametrisation=ntp", "network.gamma=4", "inference.output_precision=3"]
    system = pcsim.linear.system(read_scenario("deep-linear", told))
    plain = pcsim.linear.system(read_scenario("deep-linear", told[:1]))
    assert system.weights[-1] == 3.0
    np.testing.assert_allclose(system.output_jacobians()[-1] * 4, plain.output_jacobians()[-1], rtol=1e-12)
    entry = plain.output_jacobians()[-1] * 32**0.5  # weights are standard normal
    assert 0.9 < entry.std() < 1.1


def test_listed_layers_have_the_same_premultipliers() -> None:
    layers = "network.layers=[{ dense = 6 }, { dense = 6 }, { dense = 10 }]"
    words = ["network.input=64", "network.order=activation-first", "network.parametrisation=ntp", "network.gamma=2"]
    listed = prepare(read_scenario("train-digits", [layers, *words])).network
    chain = prepare(read_scenario("train-digits", ["network.widths=[64, 6, 6, 10]", *words[1:]])).network
    assert listed.parameter_names == chain.parameter_names
    x, parameters = np.ones((2, 64)), chain.draw_parameters(Normal(1.0), 0)
    np.testing.assert_array_equal(listed.outputs(XP, parameters, x), chain.outputs(XP, parameters, x))


def test_what_is_measured_stays_the_loss() -> None:
    words = ["learning.epochs=1", "data.samples=128", "learning.lr=1e-9"]
    plain, weighed = read_scenario("train-digits", words), read_scenario("train-digits", [*words, PRECISE])
    with pcsim.run(plain) as ours, pcsim.run(weighed) as theirs:
        for name in ("train_loss", "test_loss"):
            np.testing.assert_allclose(ours.training[name], theirs.training[name], rtol=1e-4)
        assert theirs.training["energy"][0, -1] > 2 * ours.training["energy"][0, -1]


def test_a_precision_of_the_output_has_no_place_beside_a_soft_clamp_or_backpropagation() -> None:
    with pytest.raises(UsageError, match="write clamp_precision, which is its own"):
        read_scenario("deep-linear", ["inference.clamp=soft", "inference.output_precision=2"])
    with pytest.raises(UsageError, match="not used by method 'backprop'"):
        read_scenario("deep-linear", ["inference.method=backprop", "inference.output_precision=2"])


def test_a_weighted_loss_is_a_multiple_in_all_that_a_loss_says() -> None:
    rng = np.random.default_rng(1)
    output, target, v = rng.standard_normal((3, 4)), rng.uniform(size=(3, 4)), rng.standard_normal((3, 4))
    for loss in (SquaredError(), CrossEntropy()):
        ours = Weighted(loss, 2.5)
        for name, arguments in {
            "value": (output, target),
            "error": (output, target),
            "curvature_bound": (target,),
            "curvature": (output, target, v),
        }.items():
            np.testing.assert_array_equal(
                getattr(ours, name)(XP, *arguments), 2.5 * getattr(loss, name)(XP, *arguments)
            )
        np.testing.assert_array_equal(ours.output_state(XP, output, target), target)
