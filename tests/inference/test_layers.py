"""Networks of listed layers, convolutions with norms, pools and adds among them: every method, and where they meet."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import jax
import numpy as np
import pytest
from pcsim_jax.namespace import JaxNamespace

import pcsim
from pcsim.assemble import build_inference, build_network, load_inputs, read_dataset
from pcsim.curvature import error_curvature, operator_of, state_curvature, state_hessian
from pcsim.inference.base import Moving
from pcsim.inference.error import ErrorOptimization
from pcsim.inference.state import evaluate_states
from pcsim.model.energy import Energy
from pcsim.recorded.verification import verify
from pcsim.scenario import Scenario
from tests.support.cases import XP
from tests.support.covering import sampled
from tests.support.images import SMALL, WITH_NORMS
from tests.support.scenario_files import Files

NETWORKS = {"plain": SMALL, "residual": WITH_NORMS}
JXP: Any = JaxNamespace()


def point_of(scenario: Scenario) -> tuple[Energy, Any, tuple[Any, ...]]:
    """Return the energy, what is clamped, and states off equilibrium."""
    network = build_network(scenario)
    inputs = load_inputs(scenario, network, read_dataset(scenario))
    energy = build_inference(scenario, network).energy
    energy = replace(energy, precisions=tuple(0.5 + 0.3 * i for i in range(len(energy.precisions))))
    rng = np.random.default_rng(0)
    parameters = tuple(
        {name: array + 0.2 * rng.random(array.shape) for name, array in layer.items()} for layer in inputs.parameters
    )
    clamped = energy.clamp(XP, parameters, inputs.x, inputs.y)
    states = energy.feedforward(XP, clamped)[0]
    return energy, clamped, tuple(s + 0.1 * rng.standard_normal(s.shape) for s in states)


def both(energy: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a function's gradient, and its change along a direction, compiled."""

    @jax.jit
    def derivatives(at: Any, v: Any) -> Any:
        return jax.jvp(jax.grad(energy), (at,), (v,))

    return derivatives


def close(ours: Sequence[Any], theirs: Sequence[Any]) -> None:
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12 * max(1.0, float(np.abs(b).max())))


@pytest.mark.parametrize("name", sampled(list(NETWORKS), ["plain"]))
@pytest.mark.usefixtures("jax_in_double")
def test_gradients_and_curvature_are_autodiffs(files: Files, name: str) -> None:
    energy, clamped, states = point_of(files.read(NETWORKS[name]))
    rng = np.random.default_rng(1)
    v = tuple(rng.standard_normal(s.shape) for s in states)

    def of_states(states: Any, parameters: Any = clamped.parameters) -> Any:
        held = energy.clamp(JXP, parameters, clamped.x, clamped.y)
        return JXP.sum(energy.total(JXP, held, evaluate_states(JXP, energy, held, states)), axis=0)

    def of_errors(errors: Any) -> Any:
        held = energy.clamp(JXP, clamped.parameters, clamped.x, clamped.y)
        return JXP.sum(
            energy.total(JXP, held, ErrorOptimization(energy).evaluate(JXP, held, Moving(errors, ()))), axis=0
        )

    point = evaluate_states(XP, energy, clamped, states)
    gradient, tangent = both(of_states)(states, v)
    close(point.gradient, gradient)
    close(state_curvature(XP, energy, clamped, states).product(v), tangent)
    gradient, tangent = both(of_errors)(states, v)
    close(ErrorOptimization(energy).evaluate(XP, clamped, Moving(states, ())).gradient, gradient)
    close(error_curvature(XP, energy, clamped, states).product(v), tangent)
    learned = jax.jit(jax.grad(of_states, argnums=1))(states, clamped.parameters)
    for ours, theirs in zip(energy.parameter_gradient(XP, clamped, point), learned, strict=True):
        close([len(clamped.x) * ours[each] for each in ours], [theirs[each] for each in ours])


def test_the_hessian_in_blocks_is_that_of_the_products(files: Files) -> None:
    energy, clamped, states = point_of(files.read(WITH_NORMS, "data.batch=1"))
    curvature = state_curvature(XP, energy, clamped, states)
    whole, v = state_hessian(curvature), np.random.default_rng(2).standard_normal(sum(s.size for s in states))
    ours, theirs = whole.product(v), operator_of(curvature).matvec(v)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())


@pytest.mark.parametrize("name", sampled(list(NETWORKS), ["plain"]))
def test_every_method_ends_at_one_equilibrium(files: Files, name: str) -> None:
    text = NETWORKS[name].replace('"gelu"', '"tanh"').replace("pool = 2", 'pool = 2, pool_kind = "average"')
    ends: dict[str, Any] = {}
    for words in (
        ["inference.step_size='auto'"],
        ["inference.method=sequential", "inference.step_size=0.3"],
        ["inference.form=increment", "inference.step_size='auto'"],
        ["inference.method=error", "inference.step_size='auto'"],
        ["inference.method=equilibrium"],
    ):
        steps = ["inference.steps=6000", "inference.stop={grad_norm=1e-9}"]
        with pcsim.run(files.read(text, *words, *steps)) as trace:
            assert trace.attributes["converged"], words
            ends[str(words)] = trace.final_states
    first, *others = ends.values()
    for states in others:
        for i in range(len(states) - 1):
            np.testing.assert_allclose(states[i], first[i], rtol=0, atol=1e-7)


@pytest.mark.parametrize("method", ["state", "error", "sequential"])
def test_a_sample_settles_the_same_in_any_batch(files: Files, method: str) -> None:
    words = [f"inference.method={method}"]
    with (
        pcsim.run(files.read(WITH_NORMS, *words)) as many,
        pcsim.run(files.read(WITH_NORMS, *words, "data.batch=1")) as one,
    ):
        for i in range(5):
            np.testing.assert_allclose(many.final_states[i][:1], one.final_states[i], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_increments_keep_the_signal_that_exact_arithmetic_has(files: Files, precision: str) -> None:
    text = SMALL.replace("[8, 8, 1]", "[4, 4, 1]").replace("conv = 3", "conv = 2").replace("conv = 4", "conv = 2")
    np.savez("d.npz", x=np.random.default_rng(0).standard_normal((1, 4, 4)), y=np.eye(10)[:1])
    text = text.replace('"digits"\nbatch = 3', '"npz"\nfile = "d.npz"\nbatch = 1')
    scenario = files.read(text, "inference.form=increment", "inference.step_size=1e-6", "inference.steps=3")
    with pcsim.run(scenario, precision=precision) as ours, pcsim.run(scenario, precision="exact") as exact:
        assert ours.arrival_steps.tolist() == exact.arrival_steps.tolist() == [2, 1, 0]
        allowed = {"float32": 1e-5, "bfloat16": 0.1}[precision]
        assert (np.abs(ours.energy - exact.energy) <= allowed * exact.energy).all()
        assert exact.energy[-1].min() > 0


@pytest.mark.parametrize("method", sampled(["error", "state", "sequential"], ["error"]))
def test_xla_convolves_as_numpy_does(files: Files, method: str) -> None:
    scenario = files.read(SMALL, f"inference.method={method}", "inference.steps=2")
    with pcsim.run(scenario) as ours, pcsim.run(scenario, backend="jax") as theirs:
        np.testing.assert_allclose(theirs.energy, ours.energy, rtol=1e-12, atol=1e-18)
        for name, array in ours.gradient.items():
            np.testing.assert_allclose(theirs.gradient[name], array, rtol=0, atol=1e-12 * np.abs(array).max())


@pytest.mark.parametrize(
    "words",
    [
        ["inference.input=masked", "data.mask=bottom"],
        ["inference.input=free"],
        ["inference.solver=dopri5", "inference.t_end=0.5"],
        ["inference.predictions=fixed"],
        ["inference.step_halving=true", "inference.step_size=2.0"],
    ],
    ids=str,
)
def test_what_else_is_asked_of_images_is_verified(files: Files, words: list[str]) -> None:
    with pcsim.run(files.read(WITH_NORMS, *words)) as trace:
        found = verify(trace)
    assert (found.agrees, found.tolerance) == (True, 0.0)
