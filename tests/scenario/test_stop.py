"""The words for step sizes that change and for when to stop."""

from typing import Any

import pytest

from pcsim.assemble import build_inference, build_network
from pcsim.assemble.task import build_stepper, build_stop
from pcsim.inference import Halving, StateOptimization
from pcsim.inference.steppers import Adam, Decaying, GradientDescent
from pcsim.inference.stopping import StopRule
from pcsim.scenario import parse_scenario, scenario_text
from tests.support.scenario_files import TEXT, Files

FLOW = TEXT.replace("steps = 20\nstep_size = 0.1\n", 'solver = "dopri5"\nt_end = 1.0\n')


@pytest.mark.parametrize(
    ("written", "stepper", "kept"),
    [
        ("", GradientDescent(0.1), "step_decay = false"),
        ("step_decay = false", GradientDescent(0.1), "step_decay = false"),
        ("step_decay = true", Decaying(GradientDescent(0.1), 1.0), "step_decay = true"),
        ("step_decay = 1", Decaying(GradientDescent(0.1), 1.0), "step_decay = true"),
        ("step_decay = 0.25", Decaying(GradientDescent(0.1), 0.25), "step_decay = 0.25"),
        ('optimizer = "adam"\nstep_decay = 2', Decaying(Adam(0.1), 2.0), "step_decay = 2.0"),
    ],
)
def test_step_decay(written: str, stepper: Any, kept: str) -> None:
    scenario = parse_scenario(TEXT + written)
    assert build_stepper(scenario) == stepper
    text = scenario_text(scenario)
    assert f"\n{kept}\n" in text
    assert parse_scenario(text) == scenario


@pytest.mark.parametrize("value", ["-1", '"yes"', "[1]", "nan"])
def test_step_decay_is_false_true_or_a_number(files: Files, value: str) -> None:
    (line,) = files.problems(TEXT + f"step_decay = {value}")
    assert line.startswith("s.toml:18:14: inference.step_decay: ")
    assert "is not allowed; give false, true or a number greater than 0" in line


def test_step_halving_wraps_the_method() -> None:
    scenario = parse_scenario(TEXT + "step_halving = true")
    inference = build_inference(scenario, build_network(scenario))
    assert isinstance(inference, Halving)
    assert isinstance(inference.inference, StateOptimization)
    assert inference.name == "state"


def test_step_halving_needs_an_energy_that_descends(files: Files) -> None:
    (line,) = files.problems(TEXT + 'step_halving = true\npredictions = "fixed"')
    assert 'inference.step_halving does not go with predictions = "fixed"' in line


@pytest.mark.parametrize("key", ["step_decay", "step_halving"])
def test_solvers_and_backprop_have_no_step_size_to_change(files: Files, key: str) -> None:
    (line,) = files.problems(FLOW + f"{key} = true")
    assert f"inference.{key} is not used by solver 'dopri5'; remove it" in line
    scenario = files.read(TEXT + f"{key} = true", "inference.method=backprop")
    assert any(note.startswith(f"dropped inference.{key}") for note in scenario.notes)


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        ("{ grad_norm = 1e-3 }", StopRule(1e-3)),
        ("{ relative_change = 0.01 }", StopRule(relative_change=0.01)),
        ("{ arrival = true }", StopRule(arrival=True)),
        ("{ arrival = true, relative_change = 0.1, grad_norm = 1 }", StopRule(1.0, 0.1, arrival=True)),
    ],
)
def test_stop_rules(written: str, rule: StopRule) -> None:
    scenario = parse_scenario(TEXT + f"stop = {written}")
    assert build_stop(scenario) == rule
    assert parse_scenario(scenario_text(scenario)) == scenario


@pytest.mark.parametrize("written", ["{}", "{ arrival = false }"])
def test_a_stop_rule_says_something(files: Files, written: str) -> None:
    (line,) = files.problems(TEXT + f"stop = {written}")
    assert line.endswith("inference.stop says nothing; give grad_norm, relative_change or arrival = true in it")
    assert line.startswith("s.toml:18:")


def test_the_words_of_a_rule_are_those_of_the_scenario() -> None:
    assert str(StopRule(1e-3, 0.05, arrival=True)) == "grad_norm = 0.001, relative_change = 0.05, arrival"


def test_solvers_stop_at_small_gradients_only(files: Files) -> None:
    (line,) = files.problems(FLOW + "stop = { relative_change = 0.1 }")
    assert 'stop.relative_change does not go with solver = "dopri5": the steps of a solver are its own' in line
    (line,) = files.problems(FLOW, "inference.stop={arrival=true}")
    assert "a signal is in every layer from the first moment on; give grad_norm instead" in line
    assert files.read(FLOW, "inference.stop={grad_norm=0.1}").inference.stop is not None
