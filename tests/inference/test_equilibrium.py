"""The search for equilibria: against exact solutions, long error optimization, and where there is none to find."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pcsim_jax import JaxBackend
from pcsim_numpy import NumpyBackend

import pcsim
from pcsim.engine.backend import Backend, Equilibria, Settled
from pcsim.inference import Equilibrium, ErrorOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.trace import Block
from tests.support.cases import Case, join, make_case, make_task
from tests.support.covering import sampled
from tests.support.places import GOLDEN

BACKENDS: dict[str, Backend] = {"numpy": NumpyBackend(), "jax": JaxBackend()}

HARD: dict[str, dict[str, Any]] = {
    "tanh": {"activation": "tanh"},
    "gelu-ce": {"activation": "gelu", "loss": "cross-entropy", "gain": 1.4},
    "bce": {"activation": "sigmoid", "loss": "binary-cross-entropy"},
    "soft-clamp": {"activation": "tanh", "clamp_precision": 2.0},
    "sigmoid-output": {"activation": "gelu", "sigmoid_output": True},
    "precisions-decays": {"activation": "tanh", "precisions": True, "decays": True},
    "skips": {"activation": "tanh", "skip": 2, "activation_first": True, "mupc": True},
    "saturated": {"activation": "sigmoid", "gain": 30.0},
    "steep": {"activation": "linear", "gain": 6.0},
}
STIFF = ("saturated", "steep")
"""Where gradient descent diverges at step sizes of a hundredth."""
each_backend = pytest.mark.parametrize("backend", sampled(BACKENDS, ["numpy"]))
"""JAX compiles each for seconds."""


def search(
    case: Case, backend: Backend = BACKENDS["numpy"], residual: float = 1e-10, steps: int = 500, **options: Any
) -> tuple[Settled, Block]:
    blocks: list[Block] = []
    task = make_task(case, Equilibrium(case.energy, residual, steps), steps=steps, **options)
    settled = backend.settle(task, blocks.append, lambda step: False)
    return settled, join(blocks)


def found(settled: Settled) -> Equilibria:
    assert settled.equilibria is not None
    return settled.equilibria


def descended(
    case: Case, residual: float = 1e-10, step_size: float = 0.1, steps: int = 10_000
) -> tuple[Settled, Block]:
    blocks: list[Block] = []
    task = make_task(case, ErrorOptimization(case.energy), stepper=GradientDescent(step_size), steps=steps)
    task = replace(task, stop=StopRule(grad_norm=residual), record=frozenset({"energy_per_sample"}))
    task = replace(task, motion=replace(task.descent, recorded=(0,)))
    return NumpyBackend().settle(task, blocks.append, lambda step: False), join(blocks)


@pytest.mark.parametrize("name", [name for name in HARD if name not in STIFF])
def test_energies_are_those_of_long_error_optimization(name: str) -> None:
    case = make_case(**HARD[name])
    settled, rows = search(case)
    assert settled.converged
    assert found(settled).residual.max() <= 1e-10
    slow, slow_rows = descended(case, residual=1e-8)
    assert slow.converged
    assert slow_rows.energy_per_sample is not None
    assert rows.energy is not None
    np.testing.assert_allclose(rows.energy[-1], slow_rows.energy_per_sample[-1].mean(axis=1), rtol=1e-6, atol=1e-9)
    for mine, theirs in zip(settled.states, slow.states, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-6)
    assert settled.steps_taken < slow.steps_taken


@pytest.mark.parametrize("name", STIFF)
def test_searches_that_gradient_descent_cannot_follow_end_lower(name: str) -> None:
    case = make_case(**HARD[name])
    settled, rows = search(case, residual=1e-8)
    assert settled.converged
    assert rows.energy is not None
    assert rows.energy[-1].sum() < rows.energy[0].sum()


@pytest.mark.parametrize("backend", sampled(list(BACKENDS), ["numpy"]))
@pytest.mark.parametrize("name", ["linear-sp", "linear-mupc"])
def test_golden_equilibria(name: str, backend: str, tmp_path: Path) -> None:
    expected = np.load(GOLDEN / name / "expected.npz")
    scenario = pcsim.read_scenario(
        GOLDEN / name / "scenario.toml",
        ['inference.method="equilibrium"', "inference.stop={grad_norm=1e-12}", "inference.steps=300"],
    )
    with pcsim.run(scenario, backend=backend, precision="float64") as trace:
        # Of a quadratic energy the rounding floor lies near 1e-13 of its scale.
        residual, scale = trace.equilibria["residual"], np.sqrt(expected["energy"].max())
        assert (residual <= 1e-11 * scale).all()
        np.testing.assert_allclose(trace.energy[-1], expected["equilibrium_energy"], rtol=1e-10)
        for i, state in enumerate(trace.final_states[:-1]):
            theirs = expected[f"equilibrium_state_{i}"]
            np.testing.assert_allclose(state, theirs, atol=1e-10 * np.abs(theirs).max())


def test_evaluations_are_counted_and_the_last_row_is_the_kept_point() -> None:
    settled, rows = search(make_case("tanh"), record=("energy", "grad_norm", "energy_per_sample", "states", "errors"))
    mine = found(settled)
    assert settled.steps_taken + 1 == len(rows.clock)
    # Three outputs: a pass and three pullbacks before the first evaluation and before the sixteenth.
    assert 15 < len(rows.clock) <= 30
    assert mine.evaluations.max() == len(rows.clock) + 2 * 2
    assert (mine.evaluations > 2).all()
    assert rows.energy_per_sample is not None
    assert rows.states is not None
    assert rows.errors is not None
    np.testing.assert_allclose(rows.energy_per_sample[-1].sum(axis=0), mine.energy, rtol=1e-14)
    for state, last in zip(settled.states[:-1], rows.states, strict=True):
        np.testing.assert_array_equal(state, last[-1])
    for error, last in zip(settled.errors, rows.errors, strict=True):
        np.testing.assert_array_equal(error, last[-1])
    assert (settled.arrival_steps[:-1] == 1).all()


def test_a_sample_is_found_where_it_is_found_alone() -> None:
    case = make_case("gelu", batch=9, gain=1.6)
    together, _ = search(case)
    for b in (0, 4, 8):
        one = slice(b, b + 1)
        alone, _ = search(replace(case, x=case.x[one], y=case.y[one]))
        assert found(alone).evaluations[0] == pytest.approx(found(together).evaluations[b], rel=0.2)
        for mine, theirs in zip(alone.states, together.states, strict=True):
            np.testing.assert_allclose(mine, theirs[one], atol=1e-8)


def test_samples_at_rest_leave_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    case = make_case("gelu", batch=12, gain=1.6)
    sizes: list[int] = []
    evaluate = Equilibrium.evaluate

    def counted(self: Equilibrium, xp: Any, clamped: Any, carry: Any) -> Any:
        sizes.append(len(clamped.x))
        return evaluate(self, xp, clamped, carry)

    monkeypatch.setattr(Equilibrium, "evaluate", counted)
    settled, _ = search(case)
    assert settled.converged
    assert sizes[0] == 12
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) < 0.9 * 12 * len(sizes)


@each_backend
def test_float32_reaches_the_square_root_of_its_rounding(backend: Backend) -> None:
    case = make_case("tanh")
    settled, _ = search(case, backend, residual=2e-4, precision="float32")
    exact, _ = search(case)
    assert settled.converged
    np.testing.assert_allclose(found(settled).energy, found(exact).energy, rtol=1e-6)


def test_what_rounding_ends_is_stalled_and_not_converged() -> None:
    settled, _ = search(make_case("tanh"), residual=1e-12, precision="float32")
    mine = found(settled)
    assert not settled.converged
    assert mine.stalled.all()
    assert not mine.converged.any()
    assert mine.evaluations.max() < 150
    assert mine.residual.max() < 1e-5


def test_a_kink_ends_the_search() -> None:
    case = make_case("relu", batch=32, gain=2.0, widths=(5, 8, 8, 8, 3))
    settled, _ = search(case, steps=2000)
    mine = found(settled)
    assert (mine.converged | mine.stalled).all()
    assert mine.stalled.any()


@each_backend
def test_a_start_that_is_not_finite_fails(backend: Backend) -> None:
    case = make_case("tanh")
    bad = tuple({name: array * np.nan for name, array in layer.items()} for layer in case.parameters)
    settled, _ = search(replace(case, parameters=bad), backend)
    assert settled.failure is not None
    assert "at step 0" in settled.failure
    assert not settled.converged


@each_backend
def test_steps_bound_the_evaluations(backend: Backend) -> None:
    settled, rows = search(make_case("gelu"), backend, steps=5)
    mine = found(settled)
    assert not settled.converged
    assert (mine.evaluations == 5 + 2).all()
    assert not (mine.converged | mine.stalled).any()
    assert rows.clock.tolist() == [0, 1, 2, 3, 4, 5]


@each_backend
@pytest.mark.parametrize("clamp_precision", [None, 2.0])
def test_a_linear_network_is_solved_by_its_gauss_newton_matrix(clamp_precision: float | None, backend: Backend) -> None:
    case = make_case("linear", widths=(5, 9, 9, 4), clamp_precision=clamp_precision)
    settled, _ = search(case, backend, residual=1e-8)
    assert settled.converged
    # Three rows: the start, a step of almost the right length, and the minimum of the parabola.
    assert settled.steps_taken <= 3


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=list(BACKENDS))
def test_a_network_without_hidden_layers_is_at_rest(backend: Backend) -> None:
    settled, _ = search(make_case("tanh", widths=(5, 3)), backend)
    assert settled.converged
    assert (found(settled).evaluations == 1).all()
