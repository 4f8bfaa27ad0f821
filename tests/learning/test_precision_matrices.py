"""Precision matrices: against an energy written here, in linear networks in closed form, in whole runs."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.typing import NDArray

import pcsim
import pcsim.linear
from pcsim.errors import ScenarioError, UsageError
from pcsim.inference import ErrorOptimization, IncrementStateOptimization, StateOptimization
from pcsim.model.precisions import PrecisionMatrix
from tests.support.cases import make_case
from tests.support.learning import RATE, STEP_SIZE, STEPS, batches, combined, learner_on, train

WIDTHS = (5, 6, 7, 3)
UNITS = (4, 3)


def spd(n: int, seed: int) -> NDArray[np.float64]:
    root = np.random.default_rng(seed).standard_normal((n, 2 * n)) / np.sqrt(2 * n)
    return root @ root.T + 0.3 * np.eye(n)


def energy(states: Any, weights: Any, matrices: Any, x: Any, y: Any) -> Any:
    """½ Σ εᵀ Π ε + ½ ‖ŷ − y‖² of all samples."""
    total, below = 0.0, x
    for state, own, matrix in zip(states, weights, matrices, strict=False):
        error = state - jnp.tanh(below @ own["W"] + own["b"])
        total, below = total + 0.5 * jnp.einsum("bi,ij,bj->", error, matrix, error), state
    return total + 0.5 * ((below @ weights[-1]["W"] + weights[-1]["b"] - y) ** 2).sum()


def states_of(errors: Any, weights: Any, x: Any) -> list[Any]:
    found = list[Any]()
    for error, own in zip(errors, weights, strict=False):
        found.append(jnp.tanh((found[-1] if found else x) @ own["W"] + own["b"]) + error)
    return found


@partial(jax.jit, static_argnames="by_errors")
def learned(weights: Any, matrices: Any, x: Any, y: Any, *, by_errors: bool) -> Any:
    """Return the weights after an update, by automatic differentiation of the energy."""

    def of_errors(errors: Any, weights: Any, matrices: Any, x: Any, y: Any) -> Any:
        return energy(states_of(errors, weights, x), weights, matrices, x, y)

    function = of_errors if by_errors else energy
    zeros = [jnp.zeros((len(x), n)) for n in WIDTHS[1:-1]]

    def step(_: int, z: Any) -> Any:
        return combined(lambda a, g: a - STEP_SIZE * g, z, jax.grad(function)(z, weights, matrices, x, y))

    settled = jax.lax.fori_loop(0, STEPS, step, zeros if by_errors else states_of(zeros, weights, x))
    states = states_of(settled, weights, x) if by_errors else settled
    slopes = jax.grad(energy, argnums=1)(states, weights, matrices, x, y)
    return combined(lambda w, g: w - RATE * g / len(x), weights, slopes)


@pytest.mark.usefixtures("jax_in_double")
@pytest.mark.parametrize("method", [StateOptimization, IncrementStateOptimization, ErrorOptimization])
def test_ten_updates_are_those_of_an_energy_written_here(method: Any) -> None:
    case = make_case(widths=WIDTHS)
    matrices = [spd(6, 0), np.diag([0.5, 1, 2, 1, 0.25, 1, 3])]
    given = (PrecisionMatrix.of(matrices[0]), PrecisionMatrix.of(np.diag(matrices[1])))
    ours = train(case, learner_on(method(replace(case.energy, precisions=given))))
    weights = [dict(own) for own in case.parameters]
    for k, (x, y) in enumerate(batches(case)):
        weights = learned(weights, matrices, x, y, by_errors=method is ErrorOptimization)
        for own, theirs in zip(ours[k].parameters, weights, strict=True):
            for name in "Wb":
                np.testing.assert_allclose(own[name], theirs[name], rtol=1e-9, atol=1e-12)


def scenario(precisions: Any, backend: str = "numpy", **inference: Any) -> dict[str, Any]:
    words = {"method": "state", "loss": "squared-error", "steps": 6, "step_size": 0.1} | inference
    return {
        "network": {"widths": [64, *UNITS, 10], "activation": "tanh", "precisions": precisions},
        "data": {"name": "digits", "samples": 64, "batch": 8},
        "inference": words,
        "learning": {"epochs": 1, "batch": 16, "lr": 0.01, "optimizer": "adam"},
        "backend": {"name": backend, "precision": "float64"},
    }


WAYS: dict[str, dict[str, Any]] = {
    "state": {},
    "increment": {"form": "increment"},
    "fixed": {"predictions": "fixed"},
    "errors first": {"error_steps": 2},
    "error": {"method": "error"},
    "sequential": {"method": "sequential"},
    "augmented Lagrangian": {"method": "augmented-lagrangian"},
    "precision-weighted": {"method": "precision-weighted"},
    "bidirectional": {"method": "bidirectional"},
    "equilibrium": {"method": "equilibrium", "step_size": None},
    "heun": {"solver": "heun", "t_end": 0.5, "steps": None, "step_size": None},
    "automatic": {"step_size": "auto"},
}


@pytest.mark.parametrize("backend", ["numpy", "jax"])
@pytest.mark.parametrize("way", WAYS)
def test_a_number_is_that_times_the_identity(way: str, backend: str) -> None:
    words = {key: value for key, value in WAYS[way].items() if value is not None}
    dropped = [key for key, value in WAYS[way].items() if value is None]
    ends = []
    for precisions in ([0.7, 1.6], [(0.7 * np.eye(4)).tolist(), [1.6] * 3]):
        tables = scenario(precisions, backend, **words)
        for key in dropped:
            del tables["inference"][key]
        with pcsim.run(tables) as trace:
            ends.append((trace.energy[-1], trace.trained["W_0"]))
    np.testing.assert_allclose(ends[1][0], ends[0][0], rtol=1e-9)
    np.testing.assert_allclose(ends[1][1], ends[0][1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "jax"])
def test_a_trace_has_them_and_is_verified_and_learned_from(backend: str, tmp_path: Path) -> None:
    tables = scenario([spd(4, 1).tolist(), 2.0], backend)
    with pcsim.run(tables, path=tmp_path / "run.h5") as trace:
        assert pcsim.verify(trace).agrees
        update = pcsim.learn_from(trace)
        with pcsim.run({**tables, "network": {**tables["network"], "precisions": [1.0, 2.0]}}) as plain:
            assert not np.allclose(trace.energy[-1], plain.energy[-1], rtol=1e-3)
        assert np.isfinite(update.gradient["W_0"]).all()


LINEAR = {
    "network": {"widths": [64, *UNITS, 10], "activation": "linear", "init": "xavier"},
    "data": {"name": "digits", "batch": 3},
    "inference": {"method": "state", "loss": "squared-error", "steps": 4000, "step_size": "auto"},
    "backend": {"precision": "float64"},
}


def test_linear_networks_rest_where_the_quadratic_form_has_its_minimum() -> None:
    """The equilibrated energy is ½ rᵀ S⁻¹ r with S = 1 + Σ A_i Π_i⁻¹ A_iᵀ."""
    matrices = [spd(4, 2), spd(3, 3)]
    tables = {**LINEAR, "network": {**LINEAR["network"], "precisions": [each.tolist() for each in matrices]}}
    with pcsim.run(tables) as trace:
        form = pcsim.linear.system(trace)
        for i, rest in enumerate(form.equilibrium()):
            np.testing.assert_allclose(trace.final_states[i], rest, rtol=1e-9, atol=1e-12)
        first, second, last = (trace.network[f"W_{i}"] for i in range(3))
        jacobians = [(second @ last).T, last.T]
        scale = np.eye(10) + sum(a @ np.linalg.inv(m) @ a.T for a, m in zip(jacobians, matrices, strict=True))
        residual = form.residual()
        expected = 0.5 * np.einsum("bi,ij,bj->b", residual, np.linalg.inv(scale), residual)
        np.testing.assert_allclose(form.rescaling(), scale, rtol=1e-10)
        np.testing.assert_allclose(form.equilibrated_energy(), expected, rtol=1e-10)
        np.testing.assert_allclose(trace.energy[-1].sum(), expected.mean(), rtol=1e-9)
        hessian = form.hessian()
        upper = matrices[0] + second @ matrices[1] @ second.T
        np.testing.assert_allclose(hessian[:4, :4], upper, rtol=1e-10)
        np.testing.assert_allclose(hessian[4:, :4], -matrices[1] @ second.T, rtol=1e-10)
        np.testing.assert_allclose(hessian[4:, 4:], matrices[1] + last @ last.T, rtol=1e-10)
        v = np.random.default_rng(0).standard_normal(7)
        np.testing.assert_allclose(form.operator().matvec(v), hessian @ v, rtol=1e-10)
        assert first.shape == (64, 4)


@pytest.mark.parametrize(
    ("precisions", "line"),
    [
        ([[[1, 0.5], [0.5, 1]], 1.0], "hidden layer 1 has 4 units; give 4 numbers, or as many rows"),
        (
            [1.0, [[1, 0, 0], [0.5, 1, 0], [0, 0, 1]]],
            "layer 2 has a precision matrix that is none: it is not sym",
        ),
        ([1.0, [[1, 2, 0], [2, 1, 0], [0, 0, 1]]], "layer 2 has a precision matrix that is none: it is not pos"),
    ],
)
def test_matrices_that_are_none_are_one_line(precisions: Any, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        pcsim.run(scenario(precisions))


def test_numbers_that_are_not_positive_are_refused_as_they_are_read() -> None:
    with pytest.raises(ScenarioError, match="give a number greater than 0, or a list of such a number, a matrix"):
        pcsim.run(scenario([1.0, [1.0, -1.0, 1.0]]))


@pytest.mark.parametrize("backend", ["numba", "exact"])
def test_other_backends_refuse_them(backend: str) -> None:
    tables = scenario([1.0, [1.0, 2.0, 1.0]], backend)
    tables["backend"] = {"name": backend}
    del tables["learning"], tables["data"]["samples"]
    with pytest.raises(UsageError, match="has no precision matrices; use numbers, or the backend jax or numpy"):
        pcsim.run(tables)


@pytest.mark.parametrize(
    ("table", "words", "line"),
    [
        ("backend", {"precision": "bfloat16"}, "precision matrices are for float32 and float64, not bfloat16"),
        ("learning", {"precisions": "natural"}, "matrices stay, and learning.precisions learns numbers"),
    ],
)
def test_what_does_not_go_with_them_is_one_line(table: str, words: dict[str, Any], line: str) -> None:
    tables = scenario([1.0, [1.0, 2.0, 1.0]])
    tables[table] |= words
    with pytest.raises(UsageError, match=line):
        pcsim.run(tables)


def test_layers_of_images_take_numbers() -> None:
    tables = scenario([[1.0] * 32])
    tables["network"] = {
        "input": [8, 8, 1],
        "layers": [{"conv": 2, "kernel": 3, "stride": 2}, {"dense": 10, "activation": "linear"}],
        "activation": "tanh",
        "precisions": [[1.0] * 18],
    }
    with pytest.raises(UsageError, match="hidden layer 1 is an image, and matrices weigh the errors of dense layers"):
        pcsim.run(tables)
