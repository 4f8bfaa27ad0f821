"""Hybrid predictive coding: network and amortiser against energies written here and their derivatives."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from pcsim.inference import AugmentedLagrangian, IncrementStateOptimization, StateOptimization, with_free_input
from pcsim.learning import Adam, AmortiserRule, Learner, Momentum
from pcsim.model.activations import Tanh
from pcsim.model.amortiser import guess_gradient
from pcsim.model.energy import Energy
from pcsim.model.initialisers import Orthogonal
from pcsim.model.network import AMORTISER, dense_chain
from tests.backends.jax.test_learning import train_compiled
from tests.support.cases import XP, Case, make_case
from tests.support.learning import RATE, STEP_SIZE, STEPS, UPDATES, batches, combined, learner_on, train

WIDTHS = (5, 6, 7, 3)
SLOWER, KEEP = 0.03, 0.8
NAMES = ("W", "b")


def hybrid_case(*, activation_first: bool = False, free: bool = False) -> Case:
    """Return a network with an amortiser, both with random parameters; a free input has a layer in front."""
    case = make_case(widths=WIDTHS, activation_first=activation_first)
    back = dense_chain(WIDTHS[::-1], Tanh(), activation_first=activation_first)
    drawn = back.draw_parameters(Orthogonal(1.1), 4)
    rng = np.random.default_rng(5)
    for own in drawn:
        own["b"] = 0.2 * rng.standard_normal(own["b"].shape)
    both = tuple(
        own | {AMORTISER + name: array for name, array in more.items()}
        for own, more in zip(case.parameters, reversed(drawn), strict=True)
    )
    network = replace(case.network, amortiser=back)
    energy = replace(case.energy, network=network)
    return replace(case, network=network, energy=energy, parameters=({}, *both) if free else both)


def layer(own: Any, below: Any, *, bent: bool, first: bool) -> Any:
    if first:
        return (jnp.tanh(below) if bent else below) @ own["W"] + own["b"]
    total = below @ own["W"] + own["b"]
    return jnp.tanh(total) if bent else total


def energy(variables: Any, weights: Any, x: Any, y: Any, *, first: bool) -> Any:
    """½ Σ ‖s_i − f_i(s_{i−1})‖² of all samples, the target the last state; x is the first variable where it is free."""
    states = [*variables, y] if x is None else [x, *variables, y]
    last = len(weights) - 1
    found = 0.0
    for i, own in enumerate(weights):
        bent = i > 0 if first else i < last
        found += 0.5 * ((states[i + 1] - layer(own, states[i], bent=bent, first=first)) ** 2).sum()
    return found


def guesses(chain: Any, y: Any, *, first: bool) -> list[Any]:
    """Return what a chain from the output down makes of y, the last one the input."""
    found = [y]
    for k, own in enumerate(chain):
        bent = k > 0 if first else k < len(chain) - 1
        found.append(layer(own, found[-1], bent=bent, first=first))
    return found[1:]


def wrong(chain: Any, y: Any, settled: Any, held: Any, *, first: bool) -> Any:
    """½ Σ ‖s − h(s̃)‖² of all layers and samples, what each layer reads held: `held` are the guesses."""
    found = 0.0
    for k, own in enumerate(chain):
        bent = k > 0 if first else k < len(chain) - 1
        read = y if k == 0 else held[k - 1]
        found += 0.5 * ((settled[k] - layer(own, read, bent=bent, first=first)) ** 2).sum()
    return found


@partial(jax.jit, static_argnames=("first", "free"))
def learned(weights: Any, chain: Any, speed: Any, x: Any, y: Any, *, first: bool, free: bool) -> Any:
    """Return weights, the chain's and its momentum after an update, all by automatic differentiation."""
    held = guesses(chain, y, first=first)
    variables, given = held[::-1], None
    if not free:
        variables, given = variables[1:], x

    def step(_: int, z: Any) -> Any:
        slopes = jax.grad(partial(energy, first=first))(z, weights, given, y)
        return combined(lambda a, g: a - STEP_SIZE * g, z, slopes)

    settled = jax.lax.fori_loop(0, STEPS, step, variables)
    slopes = jax.grad(partial(energy, first=first), argnums=1)(settled, weights, given, y)
    after = combined(lambda w, g: w - RATE * g / len(y), weights, slopes)
    targets = (settled if free else [x, *settled])[::-1]
    slopes = jax.grad(partial(wrong, first=first))(chain, y, targets, held, first=first)
    speed = combined(lambda v, g: KEEP * v + g / len(y), speed, slopes)
    return after, combined(lambda w, v: w - SLOWER * v, chain, speed), speed


def parts(parameters: Any) -> tuple[list[Any], list[Any]]:
    """Return the weights of the network from the input up, and those of the chain from the output down."""
    whole = [own for own in parameters if own]
    back = [{name: own[AMORTISER + name] for name in NAMES} for own in reversed(whole)]
    return [{name: own[name] for name in NAMES} for own in whole], back


def assert_follows(case: Case, found: list[Any], *, first: bool, free: bool) -> None:
    weights, chain = parts(case.parameters)
    speed = combined(lambda a, _: np.zeros_like(a), chain, chain)
    for k, (x, y) in enumerate(batches(case)):
        weights, chain, speed = learned(weights, chain, speed, x, y, first=first, free=free)
        for ours, theirs in zip(parts(found[k].parameters), (weights, chain), strict=True):
            for own, other in zip(ours, theirs, strict=True):
                for name in NAMES:
                    np.testing.assert_allclose(own[name], other[name], rtol=1e-9, atol=1e-12)
    assert len(found) == UPDATES


def learner_of(case: Case, kind: Any, *, free: bool = False) -> Learner:
    inference = kind(case.energy)
    if free:
        inference = with_free_input(inference)
    return learner_on(inference, amortiser=AmortiserRule(Momentum(KEEP), SLOWER))


@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_ten_updates_are_those_of_energies_written_here(first: bool, free: bool) -> None:
    case = hybrid_case(activation_first=first, free=free)
    found = train(case, learner_of(case, StateOptimization, free=free))
    assert_follows(case, found, first=first, free=free)


@pytest.mark.exhaustive
@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("kind", [StateOptimization, IncrementStateOptimization])
@pytest.mark.parametrize("free", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_so_are_those_of_jax_and_of_errors_that_are_carried(kind: Any, first: bool, free: bool) -> None:
    case = hybrid_case(activation_first=first, free=free)
    learner = learner_of(case, kind, free=free)
    assert_follows(case, train_compiled(case, learner, "float64"), first=first, free=free)
    assert_follows(case, train(case, learner), first=first, free=free)


def chain_of(case: Case) -> list[NDArray[np.float64]]:
    """Return the guesses from the input up, in the plain steps of numpy."""
    found = [case.y]
    for k, own in enumerate(parts(case.parameters)[1]):
        total = found[-1] @ own["W"] + own["b"]
        found.append(total if k == len(WIDTHS) - 2 else np.tanh(total))
    return found[:0:-1]


@pytest.mark.parametrize("kind", [StateOptimization, IncrementStateOptimization, AugmentedLagrangian])
@pytest.mark.parametrize("free", [False, True])
def test_inference_starts_at_the_chain_of_guesses(kind: Any, free: bool) -> None:
    case = hybrid_case(free=free)
    learner = learner_of(case, kind, free=free)
    clamped = learner.inference.clamp(XP, case.parameters, case.x, case.y)
    carry = learner.inference.begin(XP, clamped, None, learner.stepper)
    point = learner.inference.evaluate(XP, clamped, carry)
    for ours, theirs in zip(point.states, chain_of(case)[0 if free else 1 :], strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_an_update_shows_is_the_forward_pass_which_has_not_seen_the_target() -> None:
    case = hybrid_case()
    found = train(case, learner_of(case, StateOptimization))
    (x, _), *_ = batches(case)
    weights = parts(case.parameters)[0]
    hidden = np.tanh(np.tanh(x @ weights[0]["W"] + weights[0]["b"]) @ weights[1]["W"] + weights[1]["b"])
    np.testing.assert_allclose(found[0].output, hidden @ weights[2]["W"] + weights[2]["b"], rtol=1e-12)


def test_a_chain_that_guesses_what_is_settled_does_not_move() -> None:
    case = hybrid_case()
    for own in guess_gradient(XP, case.network, case.parameters, case.y, chain_of(case)):
        assert set(own) == {"AW", "Ab"}
        for slope in own.values():
            assert not slope.any()


def test_clipping_and_frozen_layers_are_of_the_network_alone() -> None:
    def last(**options: Any) -> tuple[list[Any], list[Any]]:
        case = hybrid_case()
        learner = replace(learner_of(case, StateOptimization), optimizer=Adam(), **options)
        return parts(train(case, learner)[0].parameters)

    plain, bound, frozen = last(), last(clip=1e-9), last(speeds=(0.0, 1.0, 1.0))
    for other in (bound, frozen):
        for ours, theirs in zip(other[1], plain[1], strict=True):
            np.testing.assert_array_equal(ours["W"], theirs["W"])
    np.testing.assert_array_equal(frozen[0][0]["W"], hybrid_case().parameters[0]["W"])


def test_a_network_without_one_starts_at_its_feedforward_pass() -> None:
    case = make_case(widths=WIDTHS)
    bare: Energy = case.energy
    clamped = case.clamped()
    for ours, theirs in zip(bare.first_states(XP, clamped), bare.feedforward(XP, clamped)[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
