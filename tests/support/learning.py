"""Learning written a second time: what settles, the slopes and the energies by automatic differentiation.

Everything here computes in JAX but `train`; it needs the fixture `jax_in_double`.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from pcsim.inference.steppers import GradientDescent
from pcsim.learning import SGD, Batch, Learned, Learner, fresh
from tests.support.cases import XP, Case, make_case

RATE = 0.01
STEP_SIZE = 0.2
STEPS = 7
UPDATES = 10
CASES: dict[str, dict[str, Any]] = {
    "tanh": {},
    "gelu-ce": {"activation": "gelu", "loss": "cross-entropy"},
    "mupc": {"activation_first": True, "mupc": True, "skip": 2, "precisions": True, "decays": True},
}
Weights = tuple[dict[str, NDArray[Any]], ...]


def learner_on(inference: Any, **options: Any) -> Learner:
    return replace(Learner(inference, GradientDescent(STEP_SIZE), STEPS, SGD()), **options)


def batches(case: Case) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    rng = np.random.default_rng(17)
    return [(rng.standard_normal(case.x.shape), rng.uniform(0.05, 0.95, case.y.shape)) for _ in range(UPDATES)]


def train(case: Case, learner: Learner, precision: str = "float64") -> list[Learned]:
    dtype = np.dtype(precision)
    parameters = tuple({k: v.astype(dtype) for k, v in own.items()} for own in case.parameters)
    memory, found = fresh(XP, learner, parameters), []
    for k, (x, y) in enumerate(batches(case), 1):
        batch = Batch(XP, learner, x.astype(dtype), y.astype(dtype))
        found.append(batch.learn(parameters, memory, RATE, k))
        parameters, memory = found[-1].parameters, found[-1].memory
    return found


def assert_same(ours: Any, theirs: Any, tolerance: float) -> None:
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def combined(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    return jax.tree.map(function, a, b)


def forward(case: Case, parameters: Any, x: Any) -> tuple[list[Any], Any]:
    states = case.oracle.states_of_errors([0.0] * (len(parameters) - 1), parameters, x)
    return states, case.oracle.prediction(parameters, states, x, len(states))


def settled_by_states(case: Case, parameters: Any, x: Any, y: Any) -> list[Any]:
    def step(_: int, states: Any) -> Any:
        slopes = jax.grad(case.oracle.energy_of_states)(states, parameters, x, y)
        return combined(lambda s, g: s - STEP_SIZE * g, states, slopes)

    return jax.lax.fori_loop(0, STEPS, step, forward(case, parameters, x)[0])


def settled_by_errors(case: Case, parameters: Any, x: Any, y: Any) -> list[Any]:
    def step(_: int, errors: Any) -> Any:
        slopes = jax.grad(case.oracle.energy_of_errors)(errors, parameters, x, y)
        return combined(lambda e, g: e - STEP_SIZE * g, errors, slopes)

    start = [jnp.zeros_like(s) for s in forward(case, parameters, x)[0]]
    return case.oracle.states_of_errors(jax.lax.fori_loop(0, STEPS, step, start), parameters, x)


def settled_in_sweeps(case: Case, parameters: Any, x: Any, y: Any) -> list[Any]:
    def step(_: int, states: Any) -> Any:
        for i in reversed(range(len(states))):
            slope = jax.grad(case.oracle.energy_of_states)(states, parameters, x, y)[i]
            states = [*states[:i], states[i] - STEP_SIZE * slope, *states[i + 1 :]]
        return states

    return jax.lax.fori_loop(0, STEPS, step, forward(case, parameters, x)[0])


SETTLED = {
    "state": settled_by_states,
    "increment": settled_by_states,
    "error": settled_by_errors,
    "sequential": settled_in_sweeps,
    "sequential-increment": settled_in_sweeps,
}


class Textbook(NamedTuple):
    """What a case's network predicts, holds and pulls, differentiated automatically; compiled once for all tests."""

    case: Case
    forward: Callable[[Any, Any], tuple[list[Any], Any]]
    """Of parameters and input: states and output."""
    energy: Callable[[Any, Any, Any, Any], Any]
    """Of states, parameters, input and target: without activity decay, which layers do not report."""
    state_slopes: Callable[[Any, Any, Any, Any], Any]
    weight_slopes: Callable[[Any, Any, Any, Any], Any]
    """Means over the batch."""
    loss_slopes: Callable[[Any, Any, Any], Any]


@cache
def textbook(name: str) -> Textbook:
    case = make_case(**CASES[name])

    def energy(states: Any, parameters: Any, x: Any, y: Any) -> Any:
        decay = sum(d / 2 * jnp.sum(s**2) for d, s in zip(case.energy.decays, states, strict=True))
        return case.oracle.energy_of_states(states, parameters, x, y) - decay

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return case.oracle.output_loss(forward(case, parameters, x)[1], y) / len(x)

    def weight_slopes(states: Any, parameters: Any, x: Any, y: Any) -> Any:
        slopes = jax.grad(case.oracle.energy_of_states, argnums=1)(states, parameters, x, y)
        return combined(lambda g, _: g / len(x), slopes, slopes)

    slopes = jax.grad(case.oracle.energy_of_states)
    functions = (partial(forward, case), energy, slopes, weight_slopes, jax.grad(loss))
    return Textbook(case, *map(jax.jit, functions))


@cache
def settled(way: Callable[..., list[Any]], name: str) -> Callable[[Any, Any, Any], list[Any]]:
    """Return one of `SETTLED` compiled, a function of parameters, input and target."""
    return jax.jit(partial(way, textbook(name).case))
