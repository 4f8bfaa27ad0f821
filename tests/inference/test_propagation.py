"""Equilibrium propagation: against its energy written once more on JAX, and its equilibria in closed form."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pcsim.errors import UsageError
from pcsim.inference import EquilibriumPropagation
from pcsim.inference.steppers import GradientDescent
from pcsim.learning import SGD
from pcsim.linear import linear_system, nudged
from tests.support.cases import Case, make_case, make_task, settle
from tests.support.covering import covering
from tests.support.learning import RATE, STEP_SIZE, STEPS, assert_same, batches, combined, forward, learner_on, train

pytestmark = pytest.mark.usefixtures("jax_in_double")
FREE = 4
CASES: dict[str, dict[str, Any]] = {
    "tanh": {},
    "gelu-ce": {"activation": "gelu", "loss": "cross-entropy"},
    "skips": {"activation_first": True, "skip": 2},
}
SMALL: dict[str, Any] = {"widths": (4, 5, 5, 3), "gain": 0.4, "batch": 3}


def energy(case: Case, states: Any, nudge: Any, parameters: Any, x: Any, y: Any) -> Any:
    """F summed over the batch, the output the last of the states."""
    total = nudge * case.oracle.output_loss(states[-1], y)
    for i, state in enumerate(states):
        predicted = case.oracle.prediction(parameters, states[:-1], x, i)
        total += (state * state).sum() / 2 - (state * predicted).sum()
    return total


@covering(name=list(CASES), nudge=[0.1, 1.5])
def test_ten_updates_follow_automatic_differentiation(name: str, nudge: float) -> None:
    case = make_case(widths=(5, 6, 6, 3), gain=0.5, **CASES[name])
    state_slopes, weight_slopes = (jax.jit(jax.grad(partial(energy, case), argnums=k)) for k in (0, 2))
    parameters: Any = case.parameters
    learner = learner_on(EquilibriumPropagation(case.energy, nudge, FREE), optimizer=SGD())
    for (x, y), ours in zip(batches(case), train(case, learner), strict=True):
        hidden, output = forward(case, parameters, x)
        states = free = [*hidden, output]
        for step in range(1, STEPS + 1):
            pull = nudge if step > FREE else 0.0
            states = combined(lambda s, g: s - STEP_SIZE * g, states, state_slopes(states, pull, parameters, x, y))
            free = states if step == FREE else free
        both = (weight_slopes(each, 0.0, parameters, x, y) for each in (states, free))
        slopes = combined(lambda a, b: (a - b) / nudge, *both)
        parameters = combined(lambda w, g, x=x: w - RATE * g / len(x), parameters, slopes)
        assert_same(ours.parameters, parameters, 1e-9)


def at_rest(case: Case, nudge: float) -> Any:
    steps = 1500
    task = make_task(
        case,
        EquilibriumPropagation(case.energy, nudge, steps // 2),
        stepper=GradientDescent(0.5),
        steps=steps,
        recorded=(0,),
        record=("weight_gradient",),
    )
    return settle(task)[0]


def free_loss(case: Case, parameters: Any) -> Any:
    """The loss of the free equilibrium's output of a linear chain, batch mean, by solving for it."""
    matrices = [own["W"].T for own in parameters]
    units = [len(matrix) for matrix in matrices]
    edges = np.cumsum([0, *units])
    hessian = jnp.eye(edges[-1])
    for i, matrix in enumerate(matrices[1:], 1):
        hessian = hessian.at[edges[i] : edges[i + 1], edges[i - 1] : edges[i]].add(-matrix)
        hessian = hessian.at[edges[i - 1] : edges[i], edges[i] : edges[i + 1]].add(-matrix.T)
    right = jnp.concatenate(
        [jnp.broadcast_to(own["b"], (len(case.x), n)) for own, n in zip(parameters, units, strict=True)], 1
    )
    right = right.at[:, : units[0]].add(case.x @ parameters[0]["W"])
    output = jnp.linalg.solve(hessian, right.T).T[:, -units[-1] :]
    return ((output - case.y) ** 2).sum() / 2 / len(case.x)


def test_equilibria_of_linear_networks_are_those_in_closed_form() -> None:
    case = make_case("linear", **SMALL)
    form = nudged(linear_system(case.energy, case.parameters, case.x, case.y), case.y, 0.3)
    ended = at_rest(case, 0.3)
    *hidden, output = form.equilibrium()
    assert_same(ended.states[:-1], tuple(hidden), 1e-10)
    np.testing.assert_allclose(ended.output, output, atol=1e-10)
    one = replace(case, x=case.x[:1], y=case.y[:1])

    def flat(s: Any) -> Any:
        return energy(one, jnp.split(s[None], np.cumsum(form.units)[:-1], axis=1), 0.3, case.parameters, one.x, one.y)

    nothing = jnp.zeros(sum(form.units))
    np.testing.assert_allclose(form.hessian, jax.jit(jax.hessian(flat))(nothing), atol=1e-10)
    np.testing.assert_allclose(form.right[0], -jax.jit(jax.grad(flat))(nothing), atol=1e-10)


def test_the_update_becomes_the_gradient_of_the_loss_to_first_order_in_the_nudge() -> None:
    case = make_case("linear", **SMALL)
    slopes = jax.jit(jax.grad(partial(free_loss, case)))(case.parameters)
    apart = [
        max(
            float(np.abs(a[k] - b[k]).max())
            for a, b in zip(at_rest(case, nudge).gradient, slopes, strict=True)
            for k in a
        )
        for nudge in (2.0**-4, 2.0**-6)
    ]
    assert np.log2(apart[0] / apart[1]) / 2 == pytest.approx(1.0, abs=0.2)


def test_networks_without_a_minimum_are_named() -> None:
    case = make_case("linear", widths=(4, 5, 5, 3), gain=1.0)
    form = nudged(linear_system(case.energy, case.parameters, case.x, case.y), case.y, 0.1)
    assert form.eigenvalues()[0] < 0
    with pytest.raises(UsageError, match="no minimum in this network"):
        form.equilibrium()
    scalar = make_case("linear", widths=(1, 1, 1), batch=1)
    for weight, is_definite in ((0.9, True), (1.1, False)):
        parameters = tuple({"W": np.full((1, 1), weight), "b": np.zeros(1)} for _ in range(2))
        form = nudged(linear_system(scalar.energy, parameters, scalar.x, scalar.y), scalar.y, 0.0)
        assert (form.eigenvalues()[0] > 0) == is_definite  # H = ((1, −w), (−w, 1))
