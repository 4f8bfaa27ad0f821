"""`step_size = "auto"`: found from the curvature, recorded, used again, and renewed as weights change."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import pcsim
from pcsim.assemble import build_network
from pcsim.cli.commands import group
from pcsim.curvature.steps import MOST_UNKNOWNS, automatic_step, looked_at, stable_limit
from pcsim.errors import ScenarioError, UsageError
from pcsim.inference.steppers import Decaying, GradientDescent, Momentum, step_size_of
from pcsim.recorded.resimulation import setting_of
from pcsim.runs.simulation import prepare
from tests.support.compilations import compilations

SCENARIO = """
[network]
widths = [64, 12, 12, 12, 10]
activation = "tanh"
init = "orthogonal"
gain = 1.4
[data]
name = "digits"
batch = 8
[inference]
method = "error"
loss = "cross-entropy"
steps = 30
step_size = "auto"
"""
LEARNING = '[learning]\noptimizer = "adam"\nlr = 0.01\nepochs = 2\nbatch = 64\n'


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "auto.toml"
    path.write_text(SCENARIO)
    return path


@pytest.fixture
def setup(tmp_path: Path) -> Path:
    path = tmp_path / "setup.toml"
    path.write_text(SCENARIO.replace("steps = 30", "steps = 5").replace("batch = 8", "samples = 640") + LEARNING)
    return path


LINEAR = ("network.activation=linear", "inference.loss=squared-error", "inference.method=state")


@pytest.mark.parametrize("method", ["state", "sequential", "error"])
@pytest.mark.parametrize("more", [(), ("inference.optimizer=momentum",)], ids=["gd", "momentum"])
def test_in_linear_networks_it_is_half_of_what_is_stable(scenario: Path, method: str, more: tuple[str, ...]) -> None:
    reading = pcsim.read_scenario(scenario, (*LINEAR, f"inference.method={method}", *more))
    system = pcsim.linear.system(reading)
    largest = 2 / system.largest_stable_step()
    if method == "error":
        largest = float(np.linalg.eigvalsh(system.rescaling())[-1])
    expected = (1.9 if more else 1.0) / largest
    assert prepare(reading).step_size == pytest.approx(expected, rel=0.02)


def test_it_is_in_trace_and_summary_and_used_again(scenario: Path, tmp_path: Path) -> None:
    target = tmp_path / "auto.h5"
    result = CliRunner().invoke(group, ["run", str(scenario), "-o", str(target)])
    assert result.exit_code == 0, result.output
    with pcsim.open_trace(target) as trace:
        step_size = float(trace.attributes["step_size"])
        assert f"step size {step_size:g} (auto)" in " ".join(result.output.split())
        assert 'step_size = "auto"' in trace.provenance["scenario"]
        assert setting_of(trace)[0].inference.step_size == step_size
        energy = trace.energy.sum(axis=1)
        assert (np.diff(energy) <= 0).all()
        assert energy[-1] < 0.8 * energy[0]
        assert pcsim.verify(trace).agrees
    given = pcsim.read_scenario(scenario, (f"inference.step_size={step_size}",))
    with pcsim.run(given) as trace:
        np.testing.assert_array_equal(trace.energy.sum(axis=1), energy)
        assert "step_size" not in trace.attributes


def test_a_recorded_step_size_is_not_found_anew(scenario: Path) -> None:
    with pcsim.run(pcsim.read_scenario(scenario)) as trace:
        trace.attributes["step_size"] = 0.123  # type: ignore[index]
        assert setting_of(trace)[0].inference.step_size == 0.123
        del trace.attributes["step_size"]  # type: ignore[attr-defined]
        with pytest.raises(UsageError, match="no attribute step_size"):
            setting_of(trace)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("inference.optimizer=adam",), 'step_size = "auto" does not go with optimizer = "adam"'),
        (
            ("inference.method=state", "inference.predictions=fixed"),
            'step_size = "auto" does not go with predictions = "fixed"',
        ),
        (
            ("inference.solver=euler", "inference.t_end=1.0", "inference.step_size=auto"),
            'step_size = "auto" does not go with solver = "euler"',
        ),
        (("inference.step_size=automatic",), 'Give "auto" or a number greater than 0'),
    ],
    ids=["adam", "fixed", "solver", "word"],
)
def test_where_it_makes_no_sense_it_is_refused(scenario: Path, overrides: tuple[str, ...], words: str) -> None:
    with pytest.raises(ScenarioError, match=words):
        pcsim.read_scenario(scenario, overrides)


def test_backprop_has_no_step_size(tmp_path: Path) -> None:
    path = tmp_path / "backprop.toml"
    path.write_text(SCENARIO.replace('"error"', '"backprop"').replace("steps = 30\n", ""))
    with pytest.raises(ScenarioError, match="step_size is not used by method 'backprop'"):
        pcsim.read_scenario(path)


def test_a_curvature_that_is_no_number_is_said_to_be_none(scenario: Path) -> None:
    reading = pcsim.read_scenario(
        scenario, (*LINEAR, "network.init=normal", "network.std=1e200", "backend.precision=float64")
    )
    with pytest.raises(UsageError, match=r"auto.*is not a finite number"):
        prepare(reading)


def test_evaluation_looks_for_it_only_where_inputs_are_inferred(scenario: Path, tmp_path: Path) -> None:
    small, steep = 1e-100 * np.ones((64, 12)), 1e180 * np.ones((12, 12))
    path, words = tmp_path / "w.npz", (*LINEAR, "network.bias=false", "backend.precision=float64")
    np.savez(path, W0=small, W1=steep, W2=small[:12], W3=small[:12, :10])
    assert np.isfinite(pcsim.evaluate(path, words, scenario=scenario).training.loss)
    with pytest.raises(UsageError, match=r"auto.*is not a finite number"):
        pcsim.evaluate(path, (*words, "inference.input=free"), scenario=scenario)


@pytest.mark.exhaustive
def test_training_finds_it_anew_and_is_the_same_on_every_backend(setup: Path) -> None:
    sizes: dict[str, Any] = {}
    for backend in ("numpy", "jax"):
        with pcsim.run(pcsim.read_scenario(setup, backend=backend, precision="float64")) as trace:
            sizes[backend] = trace.training["step_size"]
            assert trace.training["train_loss"][-1] < 0.8 * trace.training["train_loss"][0]
            assert len(set(sizes[backend])) == 2
            assert trace.attributes["step_size"] != sizes[backend][-1]
    np.testing.assert_allclose(sizes["jax"], sizes["numpy"], rtol=0.01)


@pytest.mark.exhaustive
def test_another_step_size_compiles_nothing_again(setup: Path) -> None:
    simulation = prepare(pcsim.read_scenario(setup, backend="jax", precision="float32"))
    trainer: Any = simulation.trainer()
    batches, rates = np.arange(128).reshape(2, 64), np.array([0.01, 0.01])
    energies: list[float] = []
    counts: list[int] = []
    for step_size in (0.001, 0.01, 0.01):
        with compilations() as compiled:
            begun = trainer.snapshot()
            trainer.set_step_size(step_size)
            energies.append(float(trainer.run(batches, rates).energy[0].sum()))
            trainer.restore(begun)
        counts.append(len(compiled))
    assert counts[0] > 0 == counts[1] == counts[2]
    assert energies[0] > energies[1] == energies[2]


def test_a_given_step_size_is_not_looked_at(setup: Path) -> None:
    with pcsim.run(pcsim.read_scenario(setup, ("inference.step_size=0.1",))) as trace:
        assert "step_size" not in trace.training
        assert "step_size" not in trace.attributes


@pytest.mark.parametrize("stepper", [GradientDescent(1.0), Momentum(1.0, 0.5), Decaying(Momentum(1.0, 0.5), 2.0)])
def test_the_share_is_rounded_down_and_ends_are_told(stepper: Any) -> None:
    limit = stable_limit(stepper, 7.0)
    assert limit == pytest.approx(2 / 7 if isinstance(stepper, GradientDescent) else 3 / 7)
    found = automatic_step(stepper, 7.0)
    assert 0.99 * limit / 2 < found <= limit / 2
    assert float(f"{found:.3g}") == found
    assert automatic_step(stepper, 0.0) == 1.0
    assert np.isnan(automatic_step(stepper, np.nan))
    assert step_size_of(stepper) == 1.0


def test_of_large_networks_the_first_samples_are_looked_at(scenario: Path) -> None:
    energy = prepare(pcsim.read_scenario(scenario)).task.inference.energy
    assert looked_at(energy, 8) == slice(8)
    assert looked_at(energy, 100_000) == slice(MOST_UNKNOWNS // 36)
    wide = build_network(pcsim.read_scenario(scenario, ("network.widths=[64,300000,10]",)))
    assert looked_at(replace(energy, network=wide), 2) == slice(1)
