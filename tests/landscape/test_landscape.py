"""Landscapes of learning: closed forms against automatic differentiation, and against simulated inference."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from pcsim import landscape
from pcsim.errors import UsageError
from pcsim.inference import StateOptimization
from pcsim.inference.steppers import Momentum
from pcsim.landscape import Chain, WeightLandscape, weight_landscape
from pcsim.linear import linear_system
from pcsim.model.activations import Linear, Tanh
from pcsim.model.network import dense_chain
from tests.support.cases import make_case, make_task, settle

pytestmark = pytest.mark.usefixtures("jax_in_double")

NETWORKS: dict[str, dict[str, Any]] = {
    "one-hidden": {"widths": (3, 4, 2)},
    "deep": {"widths": (3, 4, 2, 5, 3)},
    "no-hidden": {"widths": (3, 2)},
    "deep-skip": {"widths": (2, 3, 3, 2), "skip": 1},
    "mupc-skips": {"widths": (3, 4, 4, 4, 2), "skip": 1, "mupc": True, "activation_first": True},
}


def make(name: str, batch: int = 6) -> tuple[WeightLandscape, list[NDArray[np.float64]]]:
    options = dict(NETWORKS[name])
    network = dense_chain(options.pop("widths"), Linear(), bias=False, **options)
    rng = np.random.default_rng(3)
    x = rng.standard_normal((batch, network.input_shape[0]))
    y = rng.standard_normal((batch, network.layer_shapes[-1][0]))
    found = weight_landscape(network, x, y)
    return found, [0.7 * rng.standard_normal(shape) for shape in found.shapes]


def oracle(of: WeightLandscape, energy: bool) -> Any:
    """Return loss or equilibrated energy as a function of all weights, the latter by solving for the states."""

    def total(vector: Any) -> Any:
        at, matrices = 0, list[Any]()
        for (rows, columns), scale, skip in zip(of.shapes, of.scales, of.skips, strict=True):
            w = vector[at : at + rows * columns].reshape(rows, columns)
            at += rows * columns
            matrices.append(scale * w + (jnp.eye(rows) if skip else 0.0))

        def sample(x: Any, y: Any) -> Any:
            def errors(states: Any) -> Any:
                parts, place, below = list[Any](), 0, x
                for i, matrix in enumerate(matrices):
                    n = of.widths[i + 1]
                    state = y if i == len(matrices) - 1 else states[place : place + n]
                    parts.append(state - below @ matrix)
                    place, below = place + n, state
                return jnp.concatenate(parts)

            zero = jnp.zeros(sum(of.widths[1:-1]))
            if not energy:
                forward = x
                for matrix in matrices:
                    forward = forward @ matrix
                return jnp.sum((y - forward) ** 2) / 2
            operator, offset = jax.jacobian(errors)(zero), errors(zero)
            states = jnp.linalg.solve(operator.T @ operator, -operator.T @ offset) if zero.size else zero
            return jnp.sum(errors(states) ** 2) / 2

        return jnp.mean(jax.vmap(sample)(jnp.asarray(of.x), jnp.asarray(of.y)))

    return total


def flat(matrices: Any) -> NDArray[np.float64]:
    return np.concatenate([np.asarray(matrix).ravel() for matrix in matrices])


def scaled(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(np.abs(a - b).max() / max(1.0, np.abs(b).max()))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("energy", [False, True], ids=["loss", "energy"])
def test_values_gradients_and_hessians_are_the_derivatives(name: str, energy: bool) -> None:
    of, weights = make(name)
    total, vector = oracle(of, energy), flat(weights)
    value, gradient, hessian = (
        (of.energy, of.energy_gradient, landscape.energy_hessian)
        if energy
        else (of.loss, of.loss_gradient, landscape.loss_hessian)
    )
    given = of.split(vector)
    expected, slope = jax.jit(jax.value_and_grad(total))(vector)
    assert abs(value(given) - float(expected)) < 1e-13 * max(1.0, abs(value(given)))
    assert scaled(flat(gradient(given)), np.asarray(slope)) < 1e-12
    step = 1e-5 * np.eye(of.size)
    differences = [flat(gradient(of.split(vector + d))) - flat(gradient(of.split(vector - d))) for d in step]
    assert scaled(hessian(of, given), np.stack(differences) / 2e-5) < 1e-8


@pytest.mark.exhaustive
def test_the_energys_hessian_is_the_automatic_one() -> None:
    of, weights = make("deep-skip", batch=2)
    exact = jax.jit(jax.hessian(oracle(of, energy=True)))(flat(weights))
    assert scaled(landscape.energy_hessian(of, weights), np.asarray(exact)) < 1e-11


@pytest.mark.parametrize("widths", [(3, 4, 2), (3, 2, 5, 2), (2, 3, 4, 2, 3)])
def test_the_origin_is_a_strict_saddle_of_the_energy_alone(widths: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((7, widths[0])), rng.standard_normal((7, widths[-1]))
    of = weight_landscape(dense_chain(widths, Linear(), bias=False, mupc=True), x, y)
    zeros = of.split(np.zeros(of.size))
    assert not flat(of.loss_gradient(zeros)).any()
    assert not flat(of.energy_gradient(zeros)).any()
    loss, energy = landscape.loss_hessian(of, zeros), landscape.energy_hessian(of, zeros)
    np.testing.assert_allclose(landscape.loss_hessian_at_origin(of), loss, rtol=0, atol=1e-15)
    np.testing.assert_allclose(landscape.energy_hessian_at_origin(of), energy, rtol=0, atol=1e-15)
    for spectrum, hessian in (
        (landscape.loss_spectrum_at_origin(of), loss),
        (landscape.energy_spectrum_at_origin(of), energy),
    ):
        np.testing.assert_allclose(spectrum, np.linalg.eigvalsh(hessian), rtol=0, atol=1e-14)
    # With two hidden layers or more the loss is flat to second order, and the energy falls off all the same.
    assert loss.any() == (len(widths) == 3)
    assert landscape.energy_spectrum_at_origin(of)[0] < -1e-2


@pytest.mark.parametrize("skip", [0, 1])
def test_theory_equals_simulation(skip: int) -> None:
    case = make_case("linear", widths=(3, 4, 4, 4, 2), gain=0.9, bias=False, skip=skip)
    of, weights = weight_landscape(case.network, case.x, case.y), [layer["W"] for layer in case.parameters]
    stepper, record = Momentum(0.25, 0.7), ("energy", "weight_gradient")
    task = make_task(case, StateOptimization(case.energy), steps=600, recorded=(0,), stepper=stepper, record=record)
    settled, rows = settle(task)
    assert abs(rows.energy[0].sum() - of.loss(weights)) < 1e-12
    assert abs(rows.energy[-1].sum() - of.energy(weights)) < 1e-9
    for ours, found in zip(of.energy_gradient(weights), settled.gradient, strict=True):
        np.testing.assert_allclose(ours, found["W"], rtol=0, atol=1e-9)
    moves = np.concatenate([s - f for s, f in zip(settled.states[:-1], forward_states(case), strict=True)], axis=1)
    np.testing.assert_allclose(landscape.inferred_activity_step(of, weights), moves, rtol=0, atol=1e-9)


def forward_states(case: Any) -> Any:
    return case.oracle.states_of_errors([np.zeros_like(s) for s in case.states], case.parameters, case.x)


@pytest.mark.parametrize("skip", [0, 1])
def test_weights_and_states_have_the_same_theory(skip: int) -> None:
    case = make_case("linear", widths=(3, 4, 4, 4, 2), gain=0.9, bias=False, skip=skip)
    of, weights = weight_landscape(case.network, case.x, case.y), [layer["W"] for layer in case.parameters]
    system = linear_system(case.energy, case.parameters, case.x, case.y)
    assert abs(of.energy(weights) - system.equilibrated_energy().mean()) < 1e-13
    np.testing.assert_allclose(of.rescaling(weights), system.rescaling(), rtol=0, atol=1e-13)
    for ours, theirs in zip(of.equilibrium(weights).below[1:], system.equilibrium(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)


@pytest.mark.parametrize("layers", [2, 3, 5])
def test_a_chain_is_a_network_with_one_unit_a_layer(layers: int) -> None:
    rng = np.random.default_rng(layers)
    x, y = rng.standard_normal((2, 9))
    chain, w = Chain.of_data(x, y), rng.standard_normal((4, 3, layers))
    of = WeightLandscape((1,) * (layers + 1), x[:, None], y[:, None], (1.0,) * layers, (False,) * layers)
    for at in np.ndindex(4, 3):
        weights = [np.full((1, 1), value) for value in w[at]]
        np.testing.assert_allclose(chain.loss(w)[at], of.loss(weights), rtol=1e-13)
        np.testing.assert_allclose(chain.energy(w)[at], of.energy(weights), rtol=1e-13)
        np.testing.assert_allclose(chain.loss_gradient(w)[at], flat(of.loss_gradient(weights)), rtol=1e-11, atol=1e-13)
        np.testing.assert_allclose(
            chain.energy_gradient(w)[at], flat(of.energy_gradient(weights)), rtol=1e-11, atol=1e-13
        )
        np.testing.assert_allclose(chain.loss_hessian(w)[at], landscape.loss_hessian(of, weights), rtol=0, atol=1e-11)
    if layers == 2:
        np.testing.assert_allclose(chain.energy(w), chain.loss(w) / (1 + w[..., 1] ** 2), rtol=1e-15)


def test_the_energy_lets_descent_go_sooner() -> None:
    chain, times = Chain(1.1, -1.1, 1.1), np.linspace(0.0, 60.0, 601)
    start = np.array([0.01, 0.01, 0.01])
    level = 0.5 * float(chain.loss(np.zeros(3)))
    energy = landscape.flow(chain.energy_gradient, start, times)
    loss = landscape.flow(chain.loss_gradient, start, times)
    # The energy falls off exponentially along the last weight, at the rate yy; the loss by a power alone.
    assert landscape.escape_time(energy, chain.loss, level) < 20
    assert np.isnan(landscape.escape_time(loss, chain.loss, level))
    small = landscape.descent(chain.energy_gradient, start, 0.001, 3000)
    np.testing.assert_allclose(small.weights[::100][:31], energy.weights[:31], rtol=2e-2, atol=1e-4)
    assert abs(np.prod(energy.weights[-1]) - chain.best_product) < 1e-6


def test_stochastic_descent_sees_its_batches() -> None:
    seen: list[int] = []

    def gradient(w: NDArray[np.float64], update: int) -> NDArray[np.float64]:
        seen.append(update)
        return w

    path = landscape.stochastic_descent(gradient, np.ones(2), 0.5, 3)
    assert seen == [0, 1, 2]
    np.testing.assert_array_equal(path.weights[:, 0], [1.0, 0.5, 0.25, 0.125])


def test_inference_is_a_trust_region_step_in_activity_space() -> None:
    of, weights = make("one-hidden")
    inferred = landscape.inferred_activity_step(of, weights)
    np.testing.assert_allclose(landscape.trust_region_activity_step(of, weights, 1.0), inferred, rtol=0, atol=1e-13)
    far = landscape.trust_region_activity_step(of, weights, 1e9)
    backprop = of.residual(weights) @ of.above(weights)[0]
    np.testing.assert_allclose(1e9 * far, backprop, rtol=1e-7)
    deep, more = make("deep")
    with pytest.raises(UsageError, match="the network has 3 hidden layers"):
        landscape.trust_region_activity_step(deep, more, 1.0)


@pytest.mark.parametrize("hard", [False, True])
def test_a_trust_region_step_is_the_best_within_its_radius(hard: bool) -> None:
    rng = np.random.default_rng(1)
    factor = rng.standard_normal((3, 3))
    hessian = factor + factor.T - 3 * np.eye(3)
    gradient = rng.standard_normal(3)
    if hard:
        lowest = np.linalg.eigh(hessian)[1][:, 0]
        gradient -= (gradient @ lowest) * lowest
        gradient *= 1e-3
    step = landscape.trust_region_direction(gradient, hessian, 0.5)
    assert abs(np.linalg.norm(step) - 0.5) < 1e-9
    others = rng.standard_normal((4000, 3))
    others *= 0.5 * rng.random((4000, 1)) / np.linalg.norm(others, axis=1, keepdims=True)

    def model(d: NDArray[np.float64]) -> NDArray[np.float64]:
        return d @ gradient + 0.5 * np.sum(d @ hessian * d, axis=-1)

    assert model(step) <= model(others).min() + 1e-9
    convex = hessian @ hessian + np.eye(3)
    np.testing.assert_allclose(
        landscape.trust_region_direction(gradient, convex, 1e6),
        landscape.newton_direction(gradient, convex),
        atol=1e-12,
    )


def test_the_nearest_optimum_is_nearest() -> None:
    rng = np.random.default_rng(0)
    for w in 2 * rng.standard_normal((20, 2)):
        found = landscape.nearest_optimum(w, -1.3)
        assert abs(found[0] * found[1] + 1.3) < 1e-9
        first = np.concatenate([np.geomspace(1e-2, 1e2, 20001), -np.geomspace(1e-2, 1e2, 20001)])
        curve = np.stack([first, -1.3 / first], axis=1)
        assert np.linalg.norm(found - w) <= np.linalg.norm(curve - w, axis=1).min() + 1e-9
    assert abs(landscape.angle(np.array([1.0, 0.0]), np.array([1.0, 1.0])) - 45) < 1e-12
    assert np.isnan(landscape.angle(np.zeros(2), np.ones(2)))


def test_what_the_landscape_is_not_known_for_is_one_line() -> None:
    x, y = np.ones((2, 3)), np.ones((2, 2))
    for network, line in (
        (dense_chain((3, 4, 2), Tanh(), bias=False), "layer 0 is not linear"),
        (dense_chain((3, 4, 2), Linear()), "layer 0 has biases"),
        (dense_chain((3, 4, 4, 4, 2), Linear(), bias=False, skip=2), "layer 2 has a skip of length 2"),
        (dense_chain((3, 4, 5, 2), Linear(), bias=False, skip=1), "layer 1 has a skip from 4 units to 5"),
    ):
        with pytest.raises(UsageError, match=line):
            weight_landscape(network, x, y)
    wide = weight_landscape(dense_chain((3, 2000, 2), Linear(), bias=False), x, y)
    with pytest.raises(UsageError, match="the network has 10000 weights"):
        landscape.loss_hessian(wide, wide.split(np.zeros(wide.size)))
    skips, _ = make("mupc-skips")
    with pytest.raises(UsageError, match="the network has skips"):
        landscape.loss_hessian_at_origin(skips)
    flat_one, _ = make("no-hidden")
    with pytest.raises(UsageError, match="the network has no hidden layer"):
        landscape.energy_spectrum_at_origin(flat_one)
    with pytest.raises(UsageError, match="a trust region needs one greater than 0"):
        landscape.trust_region_direction(np.ones(2), np.eye(2), 0.0)
    with pytest.raises(UsageError, match="the Hessian is singular"):
        landscape.newton_direction(np.ones(2), np.ones((2, 2)))
