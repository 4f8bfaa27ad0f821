"""Inference with noise: its stationary law in closed form, and learning from samples against autodiff."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from pcsim_exact import ExactBackend
from pcsim_jax import JaxBackend
from pcsim_numba import NumbaBackend
from pcsim_numpy.trainer import NumpyTrainer
from scipy.linalg import solve_discrete_lyapunov

from pcsim.errors import UsageError
from pcsim.inference import ErrorOptimization, Langevin, StateOptimization
from pcsim.inference.draws import normals, seed_words
from pcsim.inference.steppers import GradientDescent
from pcsim.learning import SGD, AfterEveryStep, Batch, fresh
from pcsim.learning.trainer import TrainingTask
from pcsim.linear import linear_system
from pcsim.model.flat import Flat
from tests.support.cases import METHODS, XP, Case, make_case, make_task, settle
from tests.support.learning import CASES, RATE, STEP_SIZE, STEPS, assert_same, batches, combined, forward, learner_on

TEMPERATURE, SEED = 0.3, 11


def langevin(inference: Any, temperature: float = TEMPERATURE) -> Langevin:
    return Langevin(inference, SEED, temperature=temperature)


def test_samples_have_the_law_of_the_map_that_makes_them() -> None:
    """s ← s − λ (H s − b) + √(2λT) ξ: mean H⁻¹b, covariance C = (1 − λH) C (1 − λH) + 2λT."""
    samples, step_size = 4000, 0.2
    case = make_case("linear", widths=(3, 2, 2, 2), precisions=True)
    x, y = (np.repeat(a[:1], samples, axis=0) for a in (case.x, case.y))
    system = linear_system(case.energy, case.parameters, x[:1], y[:1])
    task = make_task(
        case, langevin(StateOptimization(case.energy)), stepper=GradientDescent(step_size), steps=300, x=x, y=y
    )
    drawn = np.concatenate(settle(replace(task, record=frozenset()))[0].states[:-1], axis=1)
    hessian = system.hessian()
    step = np.eye(4) - step_size * hessian
    expected = solve_discrete_lyapunov(step, 2.0 * step_size * TEMPERATURE * np.eye(4))
    continuous = TEMPERATURE * np.linalg.inv(hessian)
    # Five standard errors of a covariance of so many samples, and steps that are long enough to tell the laws apart.
    error = 5.0 * np.sqrt(2.0 / samples) * expected.diagonal().max()
    np.testing.assert_allclose(np.cov(drawn.T), expected, rtol=0, atol=error)
    assert np.abs(continuous - expected).max() > 1.2 * error
    mean, deviation = system.join(system.equilibrium())[0], np.sqrt(expected.diagonal().max() / samples)
    np.testing.assert_allclose(drawn.mean(axis=0), mean, rtol=0, atol=5.0 * deviation)


@pytest.mark.parametrize("kind", [StateOptimization, ErrorOptimization])
def test_without_temperature_it_is_the_method_to_the_bit(kind: Any) -> None:
    case = make_case("tanh", decays=True, precisions=True)
    plain, cold = (
        settle(make_task(case, method))[0] for method in (kind(case.energy), langevin(kind(case.energy), 0.0))
    )
    for a, b in zip((*plain.states, *plain.errors), (*cold.states, *cold.errors), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", [StateOptimization, ErrorOptimization])
def test_a_sample_moves_the_same_in_every_batch(kind: Any) -> None:
    case = make_case("tanh", batch=5)
    together = settle(make_task(case, langevin(kind(case.energy))))[0]
    alone = settle(make_task(case, langevin(kind(case.energy)), x=case.x[:1], y=case.y[:1]))[0]
    for a, b in zip(together.states, alone.states, strict=True):
        np.testing.assert_allclose(a[:1], b, rtol=0, atol=1e-13)


@cache
def textbook(name: str, method: str) -> tuple[Case, Any]:
    """Return a case and its compiled update: of parameters, input, target, and the noise (steps, batch, units)."""
    case = make_case(widths=(5, 6, 6, 3), **CASES[name])
    size = float(np.sqrt(2.0 * STEP_SIZE * TEMPERATURE))
    layout = Flat(case.energy.network.state_shapes)
    energies = {"state": case.oracle.energy_of_states, "error": case.oracle.energy_of_errors}

    @jax.jit
    def updated(parameters: Any, x: Any, y: Any, noise: Any) -> Any:
        def step(k: int, now: Any) -> Any:
            slopes = jax.grad(energies[method])(now, parameters, x, y)
            moved = combined(lambda z, g: z - STEP_SIZE * g, now, slopes)
            return combined(lambda z, xi: z + size * xi, moved, list(layout.split(noise[k])))

        states = forward(case, parameters, x)[0]
        begun = states if method == "state" else [jnp.zeros_like(s) for s in states]
        ended = jax.lax.fori_loop(0, STEPS, step, begun)
        ended = ended if method == "state" else case.oracle.states_of_errors(ended, parameters, x)
        slopes = jax.grad(case.oracle.energy_of_states, argnums=1)(ended, parameters, x, y)
        return combined(lambda w, g: w - RATE * g / len(x), parameters, slopes)

    return case, updated


@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize(
    ("name", "method"),
    [
        pytest.param(n, m, marks=() if (n, m) == ("tanh", "state") else pytest.mark.exhaustive, id=f"{n}-{m}")
        for n in CASES
        for m in ("state", "error")
    ],
)
def test_ten_updates_follow_automatic_differentiation(name: str, method: str) -> None:
    case, updated = textbook(name, method)
    learner = learner_on(langevin(METHODS[method](case.energy)), optimizer=SGD())
    parameters: Any = case.parameters
    ours, memory = case.parameters, fresh(XP, learner, case.parameters)
    units = Flat(case.energy.network.state_shapes).size
    for k, (x, y) in enumerate(batches(case), 1):
        samples = 3 * np.arange(len(x)) + k
        found = Batch(XP, learner.drawing_for(samples, k), x, y).learn(ours, memory, RATE, k)
        ours, memory = found.parameters, found.memory
        noise = [normals(XP, seed_words(SEED), k, samples, step, units) for step in range(1, STEPS + 1)]
        parameters = updated(parameters, x, y, np.stack(noise))
        assert_same(ours, parameters, 1e-9)


def training_task(case: Case, **options: Any) -> TrainingTask:
    learner = learner_on(langevin(StateOptimization(case.energy)), optimizer=SGD(), **options)
    return TrainingTask(learner, case.parameters, case.x, case.y, "float64")


BATCHES, RATES = np.array([[0, 1, 2], [3, 4, 5], [5, 1, 3], [2, 4, 0]]), np.full(4, 0.05)


def test_updates_go_on_as_they_would_have() -> None:
    case = make_case("tanh", batch=6)
    task = training_task(case)
    whole, first, second = (NumpyTrainer(task) for _ in range(3))
    whole.run(BATCHES, RATES)
    first.run(BATCHES[:2], RATES[:2])
    second.restore(first.snapshot())
    said = second.diagnose(BATCHES[2], 0.05)
    second.run(BATCHES[2:], RATES[2:])
    for a, b in zip(whole.snapshot().parameters, second.snapshot().parameters, strict=True):
        assert all(a[name].tobytes() == b[name].tobytes() for name in a)
    first.run(BATCHES[2:3], RATES[2:3])
    moved = [
        np.linalg.norm(b["W"] - a["W"]) / np.linalg.norm(a["W"])
        for a, b in zip(_after(task, 2), first.snapshot().parameters, strict=True)
    ]
    np.testing.assert_allclose(said.update_ratio, moved, rtol=1e-12)


def _after(task: TrainingTask, updates: int) -> Any:
    trainer = NumpyTrainer(task)
    trainer.run(BATCHES[:updates], RATES[:updates])
    return trainer.snapshot().parameters


@pytest.mark.exhaustive
@pytest.mark.parametrize("options", [{}, {"rule": AfterEveryStep()}], ids=["at-the-end", "after-every-step"])
def test_jax_learns_from_the_same_samples(options: dict[str, Any]) -> None:
    task = training_task(make_case("tanh", batch=6), **options)
    ours, theirs = NumpyTrainer(task), JaxBackend().trainer(task)
    for trainer in (ours, theirs):
        trainer.run(BATCHES, RATES)
    assert_same(ours.snapshot().parameters, theirs.snapshot().parameters, 1e-12)


@pytest.mark.parametrize("backend", [ExactBackend(), NumbaBackend()], ids=["exact", "numba"])
def test_backends_without_noise_say_so(backend: Any) -> None:
    task = make_task(make_case("tanh"), langevin(StateOptimization(make_case("tanh").energy)))
    with pytest.raises(UsageError, match="noise"):
        backend.estimate(task)
