"""Continuous time laid over discrete steps, and the other way round: what stays and what is dropped."""

import pytest

from pcsim.scenario import parse_scenario, scenario_text
from tests.support.flow_words import DROPPED_SIZE, HEUN, motion_of
from tests.support.scenario_files import TEXT, Files


def test_a_solver_laid_over_discrete_steps_drops_their_words(files: Files):
    scenario = files.read(TEXT + "[trace]\nevery = 2", "inference.solver=heun", "inference.t_end=2")
    assert scenario.notes == (
        DROPPED_SIZE,
        "dropped inference.steps: not used by solver 'heun' (set by --set)",
        "dropped trace.every: not used by solver 'heun' (set by --set)",
    )
    assert scenario.inference.tolerances == (1e-6, 1e-9)
    assert scenario == parse_scenario(scenario_text(scenario))


@pytest.mark.parametrize("first", [0, 1])
def test_a_step_size_set_together_with_the_solver_stays(files: Files, first: int):
    given = ["inference.step_size=0.05", "inference.solver=heun"]
    scenario = files.read(TEXT, given[first], given[1 - first], "inference.t_end=2")
    assert scenario.notes == ("dropped inference.steps: not used by solver 'heun' (set by --set)",)
    assert (scenario.inference.step_size, scenario.inference.tolerances) == (0.05, None)


def test_a_file_with_a_solver_over_one_with_discrete_steps(files: Files):
    files.write(TEXT, "base.toml")
    child = 'extends = "base.toml"\n[inference]\nsolver = "heun"\nt_end = 2\n'
    assert files.read(child).notes[0] == DROPPED_SIZE.replace("--set", "s.toml:3:1")
    assert files.read(child + "step_size = 0.2").inference.step_size == 0.2
    assert files.read(child, "inference.step_size=0.3").inference.tolerances is None


def test_one_solver_over_another_keeps_the_step_size(files: Files):
    text = HEUN + "step_size = 0.1\nt_end = 2"
    scenario = files.read(text, "inference.solver=euler")
    assert (scenario.inference.tolerances, scenario.notes) == (None, ())
    assert files.read(text, "inference.solver=radau").notes == (
        "dropped inference.step_size: not used by solver 'radau' (set by --set)",
    )


def test_leaving_continuous_time(files: Files):
    text = HEUN + "step_size = 0.7\nt_end = 2\nsave_at = [1]"
    scenario = files.read(text, "inference.method=sequential")
    size, *others = scenario.notes
    assert size == "dropped inference.step_size: meant for solver 'heun', not for method 'sequential' (set by --set)"
    assert others == [
        f"dropped inference.{key}: not used by method 'sequential' (set by --set)"
        for key in ("solver", "t_end", "save_at")
    ]
    assert scenario.inference.step_size == 0.1
    assert files.read(text, "inference.step_size=0.3", "inference.method=sequential").inference.step_size == 0.3
    assert len(files.read(text, "inference.method=backprop").notes) == 5


def test_the_newer_of_step_size_and_tolerances_counts(files: Files):
    adaptive = HEUN + "t_end = 2\nrtol = 1e-3\natol = 1e-5"
    scenario = files.read(adaptive, "inference.step_size=0.1")
    assert scenario.inference.tolerances is None
    assert scenario.notes == tuple(
        f"dropped inference.{key}: not used beside a step size (set by --set)" for key in ("rtol", "atol")
    )
    scenario = files.read(HEUN + "t_end = 2\nstep_size = 0.1", "inference.rtol=1e-3")
    assert scenario.inference.tolerances == (1e-3, 1e-9)
    assert scenario.notes == ("dropped inference.step_size: not used beside tolerances (set by --set)",)
    (line,) = files.problems(HEUN + "t_end = 2", "inference.rtol=1e-3", "inference.step_size=0.1")
    assert line.startswith("--set inference.step_size=0.1: inference.step_size makes constant steps, inference.rtol ")


def test_an_end_before_the_last_time_is_told_where_it_was_set(files: Files):
    (line,) = files.problems(HEUN + "save_at = [1, 20]", "inference.t_end=5")
    assert line.startswith("--set inference.t_end=5: inference.save_at goes on to 20.0, but inference.t_end is 5.0; ")


def test_constant_steps_come_by_the_times_that_nobody_chose(files: Files):
    scenario = files.read(TEXT, "inference.solver=euler", "inference.step_size=0.1", "inference.t_end=6.4")
    assert motion_of(scenario).times == pytest.approx([0.1 * k for k in range(65)], abs=1e-12)
