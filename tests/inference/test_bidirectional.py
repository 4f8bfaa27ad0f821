"""Bidirectional predictive coding: against an energy written here and its derivatives, and at rest in closed form."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

from pcsim.conformance.cases import settle_on
from pcsim.engine.backend import Backend, Task, TrainingBackend
from pcsim.engine.free_input import FreeInputBackend
from pcsim.engine.free_output import FreeOutputBackend
from pcsim.engine.registry import load_backend
from pcsim.inference import Bidirectional, Inference, StateOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.learning.evaluation import OutputInference
from pcsim.learning.trainer import TrainingTask
from pcsim.model.energy import Energy
from pcsim.model.initialisers import PyTorch
from pcsim.model.losses import SquaredError
from pcsim.model.network import dense_chain
from tests.support.cases import ACTIVATIONS, XP, make_case, make_task, settle
from tests.support.covering import sampled
from tests.support.learning import RATE, STEP_SIZE, STEPS, UPDATES, assert_same, combined, learner_on

WIDTHS = (5, 6, 7, 3)
BATCH = 4
ALPHA = 0.3
GAMMAS, DECAYS = (0.8, 1.3), (0.1, 0.2)
Host = NDArray[np.float64]


class Setting(NamedTuple):
    """A network with top-down predictions, and samples for ten updates."""

    energy: Energy
    weights: tuple[dict[str, Host], ...]
    x: Host
    y: Host


def setting(activation: str, *, first: bool = False) -> Setting:
    def chain(widths: tuple[int, ...]) -> Any:
        return dense_chain(widths, ACTIVATIONS[activation], activation_first=first)

    network = chain(WIDTHS).with_top_down(chain(WIDTHS[::-1]))
    rng = np.random.default_rng(2)
    x, y = (rng.standard_normal((BATCH * UPDATES, n)) for n in (WIDTHS[0], WIDTHS[-1]))
    weights = network.draw_parameters(PyTorch(), 1)
    return Setting(Energy(network, SquaredError(), GAMMAS, DECAYS, ALPHA), weights, x, y)


class Written(NamedTuple):
    """The equations once more, on JAX: φ(W s + b), or W φ(s) + b, with neither φ at the given end of a chain."""

    activation: str
    first: bool

    def phi(self, z: Any) -> Any:
        return jnp.tanh(z) if self.activation == "tanh" else jax.nn.gelu(z, approximate=False)

    def predicted(self, s: Any, w: Any, b: Any, *, is_first: bool, is_last: bool) -> Any:
        if self.first:
            return (s if is_first else self.phi(s)) @ w + b
        return s @ w + b if is_last else self.phi(s @ w + b)

    def up(self, weights: Any, below: Any, i: int) -> Any:
        own = weights[i]
        return self.predicted(below, own["W"], own["b"], is_first=i == 0, is_last=i == len(weights) - 1)

    def down(self, weights: Any, above: Any, i: int) -> Any:
        own = weights[i]
        return self.predicted(above, own["TW"], own["Tb"], is_first=i == len(weights) - 1, is_last=i == 0)

    def energy(self, states: Any, weights: Any, x: Any, y: Any) -> Any:
        """Σ γ/2 ‖s − f(s below)‖² + δ/2 ‖s‖² + α/2 Σ ‖s below − t(s)‖² of all samples."""
        every = [x, *states, y]
        total = sum(d / 2 * (s**2).sum() for d, s in zip(DECAYS, states, strict=True))
        for i, gamma in enumerate((*GAMMAS, 1.0)):
            below, above = every[i], every[i + 1]
            total += gamma / 2 * ((above - self.up(weights, below, i)) ** 2).sum()
            total += ALPHA / 2 * ((below - self.down(weights, above, i)) ** 2).sum()
        return total

    def feedforward(self, weights: Any, x: Any) -> list[Any]:
        found = [x]
        for i in range(len(weights) - 1):
            found.append(self.up(weights, found[-1], i))
        return found[1:]

    def learned(self, weights: Any, x: Any, y: Any) -> Any:
        """Return the weights after some steps of inference and an update of plain SGD."""

        def step(_: int, states: Any) -> Any:
            slopes = jax.grad(self.energy)(states, weights, x, y)
            return combined(lambda s, g: s - STEP_SIZE * g, states, slopes)

        states = jax.lax.fori_loop(0, STEPS, step, self.feedforward(weights, x))
        slopes = jax.grad(self.energy, argnums=1)(states, weights, x, y)
        return combined(lambda w, g: w - RATE * g / len(x), weights, slopes)


WAYS = {"tanh": ("tanh", False), "gelu-first": ("gelu", True), "tanh-first": ("tanh", True), "gelu": ("gelu", False)}


@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("way", sampled(WAYS, ["tanh", "gelu-first"]))
def test_gradients_of_states_and_of_both_weights_are_those_of_the_energy(way: tuple[str, bool]) -> None:
    given, written = setting(way[0], first=way[1]), Written(*way)
    rng = np.random.default_rng(4)
    states = tuple(rng.standard_normal((BATCH, n)) for n in WIDTHS[1:-1])
    x, y = given.x[:BATCH], given.y[:BATCH]
    method = Bidirectional(given.energy)
    clamped = method.clamp(XP, given.weights, x, y)
    point = method.evaluate(XP, clamped, method.begin(XP, clamped, states, GradientDescent(0.1)))
    total, (slopes, of_weights) = jax.value_and_grad(written.energy, argnums=(0, 1))(list(states), given.weights, x, y)
    assert_same(list(point.gradient), slopes, 1e-12)
    assert_same(
        given.energy.parameter_gradient(XP, clamped, point),
        combined(lambda g, _: g / BATCH, of_weights, of_weights),
        1e-12,
    )
    assert given.energy.total(XP, clamped, point).sum() == pytest.approx(float(total), rel=1e-12)


@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("backend", sampled(("numpy", "jax"), ["numpy"]))
@pytest.mark.parametrize("way", sampled(WAYS, ["tanh"]))
def test_ten_updates_follow_automatic_differentiation(way: tuple[str, bool], backend: str) -> None:
    given, written = setting(way[0], first=way[1]), Written(*way)
    task = TrainingTask(learner_on(Bidirectional(given.energy)), given.weights, given.x, given.y, "float64")
    trainer = training_backend(backend).trainer(task)
    batches = np.arange(len(given.x)).reshape(UPDATES, BATCH)
    trainer.run(batches, np.full(UPDATES, RATE))
    weights: Any = given.weights
    learned = jax.jit(written.learned)
    for rows in batches:
        weights = learned(weights, given.x[rows], given.y[rows])
    assert_same(trainer.snapshot().parameters, weights, 1e-9)


def run_of(inference: Inference, weights: Any, **options: Any) -> Task:
    """Return a run on these weights; `make_task` would draw others."""
    return replace(make_task(make_case(widths=WIDTHS), **options), inference=inference, parameters=weights)


def training_backend(name: str) -> TrainingBackend:
    backend: Any = load_backend(name)
    return backend


def rested(residuals: Callable[[Host], Host], unknowns: int) -> Host:
    """Return where half the square of affine residuals is least."""
    offset = residuals(np.zeros(unknowns))
    matrix = np.stack([residuals(row) - offset for row in np.eye(unknowns)], axis=1)
    return np.linalg.lstsq(matrix, -offset, rcond=None)[0].astype(np.float64)


def residuals_of(weights: Any, x: Host, s: list[Host], y: Host) -> Host:
    """Return all errors of a linear chain times the roots of their weights, for one sample."""
    every = [x, *s, y]
    found = [np.sqrt(d) * z for d, z in zip(DECAYS, s, strict=True)]
    for own, gamma, below, above in zip(weights, (*GAMMAS, 1.0), every, every[1:], strict=False):
        found.append(np.sqrt(gamma) * (above - below @ own["W"] - own["b"]))
        found.append(np.sqrt(ALPHA) * (below - above @ own["TW"] - own["Tb"]))
    return np.concatenate(found)


HELD = (True, False, True, False, False)
ENDS = ("clamped", "free-output", "free-input", "masked-input", "masked-input-free-output")


@pytest.mark.parametrize("name", sampled(("numpy", "jax"), ["numpy"]))
@pytest.mark.parametrize("ends", ENDS)
def test_a_linear_chain_rests_where_the_quadratic_energy_is_least(ends: str, name: str) -> None:
    given = setting("linear")
    x, y = given.x[:1], given.y[:1]
    held = np.array(HELD) if ends.startswith("masked") else np.full(5, "free-input" not in ends)
    counts = [int(np.count_nonzero(~held)), *WIDTHS[1:-1], 3 * ends.endswith("free-output")]
    sizes = [0, *np.cumsum(counts).tolist()]

    def split(row: Host) -> tuple[Host, list[Host], Host]:
        moved, *states, output = (row[a:b] for a, b in pairwise(sizes))
        whole = x[0].copy()
        whole[~held] = moved
        return whole, states, output if len(output) else y[0]

    at_rest = split(rested(lambda row: residuals_of(given.weights, *split(row)), int(sizes[-1])))
    backend: Backend = load_backend(name)
    if ends.endswith("free-output"):
        backend = FreeOutputBackend(backend)
    if not held.all():
        backend = FreeInputBackend(backend, HELD if ends.startswith("masked") else ())
    options = {"steps": 100_000, "stop": StopRule(grad_norm=1e-12), "recorded": (0,)}
    task = run_of(Bidirectional(given.energy), given.weights, x=x, y=y, stepper=GradientDescent(0.2), **options)
    settled, _ = settle_on(backend, task)
    assert settled.converged
    found = (x if settled.input is None else settled.input, *settled.states)
    if not ends.endswith("free-output"):
        found = (*found[:-1], y)
    else:
        np.testing.assert_array_equal(settled.output, settled.states[-1])
    for ours, theirs in zip(found, (at_rest[0], *at_rest[1], at_rest[2]), strict=True):
        np.testing.assert_allclose(ours[0], theirs, rtol=0, atol=1e-9)


def test_without_weight_it_is_state_optimization_to_the_bit() -> None:
    given = setting("tanh")
    both = replace(given.energy, top_down_weight=0.0)
    plain = replace(given.energy, network=dense_chain(WIDTHS, ACTIVATIONS["tanh"]))
    words = tuple({key: own[key] for key in ("W", "b")} for own in given.weights)
    known = {"x": given.x, "y": given.y, "record": ("energy", "states", "errors", "weight_gradient")}
    task = run_of(StateOptimization(plain), words, **known)
    (ended, rows), (same, others) = settle(task), settle(run_of(Bidirectional(both), given.weights, **known))
    for name in ("states", "errors", "energy"):
        np.testing.assert_equal(getattr(others, name), getattr(rows, name))
    for own, more in zip(ended.gradient, same.gradient, strict=True):
        assert not more["TW"].any()
        for key in own:
            np.testing.assert_array_equal(own[key], more[key])
    assert ended.arrival_steps.tolist() == same.arrival_steps.tolist()


def test_the_other_weights_are_drawn_as_without_top_down_predictions() -> None:
    both, plain = setting("tanh").weights, dense_chain(WIDTHS, ACTIVATIONS["tanh"]).draw_parameters(PyTorch(), 1)
    assert [list(own) for own in both] == [["W", "b", "TW", "Tb"]] * 3
    assert_same([{k: own[k] for k in ("W", "b")} for own in both], list(plain), 0.0)


def test_outputs_are_measured_where_inference_with_a_free_output_ends() -> None:
    given = setting("tanh")
    learner = replace(learner_on(Bidirectional(given.energy)), steps=12)
    task = TrainingTask(learner, given.weights, given.x, given.y, "float64", OutputInference())
    outcome = training_backend("numpy").trainer(task).evaluate(given.x, given.y)
    free = {"x": given.x, "y": 0.0 * given.y, "steps": 12, "stepper": learner.stepper}
    run = run_of(Bidirectional(given.energy), given.weights, **free)
    settled, _ = settle_on(FreeOutputBackend(load_backend("numpy")), run)
    np.testing.assert_allclose(outcome.answers, settled.output, rtol=1e-12)
    np.testing.assert_allclose(outcome.losses, 0.5 * ((given.y - settled.output) ** 2).sum(axis=1), rtol=1e-12)
