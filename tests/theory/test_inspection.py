"""`pcsim inspect`: what it finds is what dense algebra, theory and the simulator say."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import pcsim
from pcsim.cli.commands import group
from pcsim.errors import UsageError
from pcsim.scenario import read_scenario
from pcsim.theory.inspection import inspect
from tests.runs.test_auto_step import LEARNING, SCENARIO


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    path = tmp_path / "auto.toml"
    path.write_text(SCENARIO)
    return path


FREE = ("network.widths=[4,12,64]", "data.task=autoencoding", "inference.input=free")
LINEAR = ("network.activation=linear", "inference.loss=squared-error", "inference.step_size=0.1")


def words(arguments: list[str]) -> str:
    result = CliRunner().invoke(group, ["inspect", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return " ".join(result.output.split())


@pytest.mark.parametrize("more", [(), FREE])
def test_of_a_linear_network_it_finds_what_theory_knows(scenario: Path, more: tuple[str, ...]) -> None:
    reading = pcsim.read_scenario(scenario, (*LINEAR, "inference.method=state", *more))
    found, system = inspect(reading), pcsim.linear.system(reading)
    np.testing.assert_allclose(found.states.condition_number, system.condition_number(), rtol=1e-9)
    assert found.limit == pytest.approx(system.largest_stable_step(), rel=1e-9)
    assert found.limit is not None
    assert found.automatic == pytest.approx(0.5 * found.limit, rel=0.02)
    assert found.is_stable is True
    assert found.equilibrated_energy == pytest.approx(system.equilibrated_energy().mean(), rel=1e-12)
    assert inspect(pcsim.read_scenario(scenario, (*LINEAR, "inference.step_size=3", *more))).is_stable is False
    if not more:
        np.testing.assert_allclose(found.errors.largest, np.linalg.eigvalsh(system.rescaling())[-1], rtol=1e-9)
        np.testing.assert_allclose(found.errors.smallest, 1, rtol=1e-9)


def test_of_a_trace_it_looks_at_the_end(scenario: Path, tmp_path: Path) -> None:
    target = tmp_path / "end.h5"
    reading = pcsim.read_scenario(scenario, ("inference.steps=2000", "backend.precision=float64"))
    with pcsim.run(reading, path=target) as trace:
        found, start = inspect(trace), inspect(reading)
        assert found.energy == pytest.approx(trace.energy[-1].sum(), rel=1e-12)
        assert found.step_size == trace.attributes["step_size"] == start.automatic == found.automatic
    # at the minimum, not at the start: signatures agree there, and only there
    assert (found.errors.indefinite, found.states.indefinite) == (0, 0)
    assert found.is_stable is True
    text = words([str(target)])
    assert "curvature where inference ended, median (and range) of 8 samples" in text
    assert "is stable here: the limit is" in text


METHODS = ("state", "error", "sequential", "equilibrium")
STARTS = [
    ("backprop", "feedforward", ()),
    *((method, start, ()) for method, start in zip(METHODS, ("feedforward", "zeros", "normal", "normal"), strict=True)),
    *((method, "normal", FREE) for method in ("state", "equilibrium")),
]


@pytest.mark.parametrize(("method", "start", "more"), STARTS)
def test_its_energy_is_that_of_the_start_of_the_run(
    tmp_path: Path, method: str, start: str, more: tuple[str, ...]
) -> None:
    path = tmp_path / "plain.toml"
    path.write_text(SCENARIO.replace('steps = 30\nstep_size = "auto"', "").replace("cross-entropy", "squared-error"))
    given = () if method == "backprop" else (f"inference.start={start}", "inference.steps=3")
    reading = pcsim.read_scenario(path, (f"inference.method={method}", "backend.precision=float64", *given, *more))
    with pcsim.run(reading) as trace:
        assert inspect(reading).energy == pytest.approx(trace.energy[0].sum(), rel=1e-12)


def test_its_words_and_its_json(scenario: Path) -> None:
    text = words([str(scenario)])
    assert "64-(3 × 12)-10 tanh, 36 unknowns a sample; curvature at the start of inference, median" in text
    assert 'step_size = "auto" comes to' in text
    assert "NOT stable here" in words([str(scenario), "--set", "inference.step_size=5"])
    assert "No verdict on its steps" in words(
        [str(scenario), "--set", "inference.step_size=0.1", "--set", "inference.optimizer=adam"]
    )
    found = json.loads(words([str(scenario), "--json", "--set", "inference.step_size=5"]))
    assert found["is_stable"] is False
    assert len(found["errors"]["condition_number"]) == found["samples"] == 8
    assert found["limit"] == pytest.approx(found["errors"]["limit"])


def test_momentum_may_step_further(scenario: Path) -> None:
    reading = pcsim.read_scenario(scenario, (*LINEAR, "inference.optimizer=momentum", "inference.momentum=0.5"))
    found = inspect(reading)
    assert found.limit == pytest.approx(1.5 * found.errors.limit)


def test_a_trained_network_is_looked_at_as_trained(tmp_path: Path) -> None:
    path = tmp_path / "setup.toml"
    path.write_text(SCENARIO.replace("batch = 8", "samples = 128\nbatch = 8").replace('"auto"', "0.01") + LEARNING)
    reading = pcsim.read_scenario(path)
    with pcsim.run(reading) as trace:
        after, before = inspect(trace), inspect(reading)
        assert after.energy < 0.8 * before.energy
        assert after.automatic != before.automatic


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nothing.h5"], "nothing.h5"),
        (["no-such"], "there is no such file"),
        (["end.h5", "--seed", "1"], "is a trace, which is looked at as it is"),
        (["auto.toml", "--set", "network.widths=[64,10]"], "nothing is inferred"),
    ],
)
def test_mistakes_are_told_in_a_line(
    scenario: Path, arguments: list[str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scenario.parent)
    result = CliRunner().invoke(group, ["inspect", *arguments])
    assert problem in str(result.exception)
    assert isinstance(result.exception, UsageError | OSError)


def test_a_singular_hessian_is_not_called_indefinite_nor_a_search_without_steps_stable(scenario: Path) -> None:
    options = ["network.skip=true", "network.order=activation-first", "network.hidden={layers=64,width=48}"]
    found = inspect(read_scenario("deep-linear", [*options, "data.batch=1"]))
    assert (found.states.indefinite, found.states.singular, found.equilibrated_energy) == (0, 1, None)
    searched = inspect(read_scenario("equilibrium", ["network.hidden={layers=2,width=8}", "data.batch=2"]))
    assert searched.limit is None
    assert searched.step_size is None
