"""The words for continuous time: what they resolve to, what does not go together, and the times they stand for."""

import re

import numpy as np
import pytest

from pcsim.engine.backend import Flow
from pcsim.errors import UsageError
from pcsim.scenario import LogTimes, scenario_text
from tests.support.flow_words import HEUN, motion_of
from tests.support.scenario_files import TEXT, Files


def test_adaptive_steps_and_their_defaults(files: Files):
    scenario = files.read(HEUN + "t_end = 2")
    table = scenario.inference
    assert (table.solver, table.t_end, table.tolerances, table.noise) == ("heun", 2.0, (1e-6, 1e-9), 0.0)
    lines = scenario_text(scenario).splitlines()
    assert {'solver = "heun"', "t_end = 2.0", "rtol = 1e-06", "atol = 1e-09", "noise = 0.0"} <= set(lines)
    assert not any(line.startswith(("step", "optimizer", "momentum", "every", "save_at")) for line in lines)
    times = tuple(np.linspace(0, 2, 101))
    assert motion_of(scenario) == Flow("heun", times, None, 1e-6, 1e-9, 0.0, seed=3)


def test_constant_steps(files: Files):
    scenario = files.read(HEUN + "t_end = 2\nstep_size = 0.1\nnoise = 0.5\nsave_at = [0, 1]")
    assert scenario.inference.tolerances is None
    text = scenario_text(scenario)
    assert "step_size = 0.1\n" in text
    assert "tol =" not in text
    assert motion_of(scenario) == Flow("heun", (0.0, 1.0, 2.0), 0.1, temperature=0.5, seed=3)


def test_constant_and_adaptive_steps_are_different_scenarios(files: Files):
    adaptive = files.read(HEUN + "t_end = 2")
    assert adaptive != files.read(HEUN + "t_end = 2\nstep_size = 0.1")
    assert adaptive == files.read(HEUN + "t_end = 2\nrtol = 1e-6")
    assert files.read(HEUN + "t_end = 2\natol = 1e-40").inference.tolerances == (1e-6, 1e-40)


def test_discrete_steps_know_nothing_of_time(files: Files):
    scenario = files.read(TEXT)
    table = scenario.inference
    assert (table.solver, table.t_end, table.tolerances, table.save_at) == (None, None, None, None)
    text = scenario_text(scenario)
    assert "step_size = 0.1\n" in text
    assert not re.search("^(solver|t_end|rtol|atol|save_at|noise) =", text.partition("[inference]")[2], re.MULTILINE)


@pytest.mark.parametrize(
    ("lines", "times"),
    [
        ("save_at = [0, 0.1, 2]", (0.0, 0.1, 2.0)),
        ("save_at = [0, 0.1]\nt_end = 2", (0.0, 0.1, 2.0)),
        ("save_at = [0]\nt_end = 2", (0.0, 2.0)),
        ("save_at = [2]\nt_end = 2", (2.0,)),
        ("save_at = { log = [0.01, 1, 3] }", (0.01, 0.1, 1.0)),
        ("save_at = { log = [0.01, 1, 3] }\nt_end = 7", (0.01, 0.1, 1.0, 7.0)),
        ("save_at = { log = [0.3, 0.7, 2] }", (0.3, 0.7)),
        ("save_at = { log = [1, 1.0000000000000002, 9] }", (1.0, 1.0000000000000002)),
        ("t_end = 5e-324", (0.0, 5e-324)),
    ],
)
def test_recorded_times(files: Files, lines: str, times: tuple[float, ...]):
    found = motion_of(files.read(HEUN + lines)).times
    assert found == pytest.approx(times, rel=4e-16, abs=0)
    # the first, the last and every listed time are exact
    assert (found[0], found[-1], found[1:-1]) == (times[0], times[-1], tuple(sorted(set(found[1:-1]))))


def test_many_logarithmic_times_ascend_and_end_exactly(files: Files):
    scenario = files.read(HEUN + "save_at = { log = [1e-2, 20, 200] }")
    assert scenario.inference.save_at == LogTimes(log=(0.01, 20.0, 200))
    times = np.array(motion_of(scenario).times)
    assert (len(times), times[0], times[-1], scenario.inference.t_end) == (200, 0.01, 20.0, 20.0)
    assert np.diff(np.log(times)) == pytest.approx(np.log(2000) / 199)


def test_too_many_times(files: Files):
    with pytest.raises(UsageError) as caught:
        motion_of(files.read(HEUN + "save_at = { log = [1, 2, 100_000_001] }"))
    assert str(caught.value) == (
        "s.toml:17:1: inference.save_at: 100,000,001 times would make a trace of as many rows, at most 100,000,000 are "
        "allowed; save fewer, as in save_at = { log = [0.01, 20, 200] }"
    )


SAVE_AT = (
    "give a list of ascending times, 0 or more, as in [0.1, 1, 20], or a table of first time, last time and number of "
    "times, as in { log = [0.01, 20, 200] }"
)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "",
            '16:1: inference.t_end is missing; solver = "heun" needs it, a number greater than 0, or a save_at that '
            "ends with it",
        ),
        (
            "save_at = [0]",
            '16:1: inference.t_end is missing; solver = "heun" needs it, a number greater than 0, or a save_at that '
            "ends with it",
        ),
        ("t_end = 0", "17:9: inference.t_end: 0 is not allowed; give a number greater than 0"),
        ("t_end = 1\nrtol = 0", "18:8: inference.rtol: 0 is not allowed; give a number greater than 0"),
        ("t_end = 1\natol = -1", "18:8: inference.atol: -1 is not allowed; give a number greater than 0"),
        ("t_end = 1\nnoise = -1", "18:9: inference.noise: -1 is not allowed; give a number, 0 or more"),
        (
            "t_end = 5\nsave_at = [1, 20]",
            "18:1: inference.save_at goes on to 20.0, but inference.t_end is 5.0; leave out the later times, or make "
            "t_end 20.0 or more",
        ),
        (
            "t_end = 5\nsave_at = { log = [1, 20, 3] }",
            "18:27: inference.save_at goes on to 20.0, but inference.t_end is 5.0; leave out the later times, or make "
            "t_end 20.0 or more",
        ),
        ("save_at = []", f"17:11: inference.save_at: [] is not allowed; {SAVE_AT}"),
        ("save_at = [2, 1]", f"17:11: inference.save_at: [2, 1] is not allowed; {SAVE_AT}"),
        ("save_at = [1, 1]", f"17:11: inference.save_at: [1, 1] is not allowed; {SAVE_AT}"),
        ("save_at = [-1, 1]", f"17:11: inference.save_at: [-1, 1] is not allowed; {SAVE_AT}"),
        ('save_at = [1, "x"]', f'17:11: inference.save_at: [1, "x"] is not allowed; {SAVE_AT}'),
        ("save_at = [inf]", f"17:11: inference.save_at: [inf] is not allowed; {SAVE_AT}"),
        ("save_at = 3", f"17:11: inference.save_at: 3 is not allowed; {SAVE_AT}"),
        (
            "step_size = 0.1\nt_end = 1\natol = 1e-9",
            "17:1: inference.step_size makes constant steps, inference.atol adaptive ones; keep one of the two ways",
        ),
        (
            "step_size = 0.1\nt_end = 1\nrtol = 1e-6\natol = 1e-9",
            "17:1: inference.step_size makes constant steps, inference.rtol and inference.atol adaptive ones; keep one "
            "of the two ways",
        ),
        (
            "t_end = 1\nnoise = 0.5",
            "18:1: inference.noise = 0.5 needs constant steps; write a step_size without rtol and atol, or noise = 0",
        ),
        ("t_end = 1\nsteps = 3", "18:1: inference.steps is not used by solver 'heun'; remove it"),
        ('t_end = 1\noptimizer = "gd"', "18:1: inference.optimizer is not used by solver 'heun'; remove it"),
        ("t_end = 1\n[trace]\nevery = 2", "19:1: trace.every is not used by solver 'heun'; remove it"),
    ],
)
def test_one_line_for_one_mistake(files: Files, lines: str, problem: str):
    assert files.problems(HEUN + lines) == [f"s.toml:{problem}"]


def test_wrong_logarithmic_times(files: Files):
    for written in ("[1, 20]", "[0, 20, 9]", "[20, 1, 9]", "[1, 20, 1]", "[1, 20, 2.5]", "3"):
        (line,) = files.problems(HEUN + f"save_at = {{ log = {written} }}\nt_end = 99")
        assert re.fullmatch(r"s\.toml:17:\d+: inference\.save_at(\.log)?: .* is not allowed; give .*", line)
        assert line.endswith("as in { log = [0.01, 20, 200] }") or line.endswith("as in [0.01, 20, 200]")


@pytest.mark.parametrize(
    ("solver", "lines", "problem"),
    [
        (
            "euler",
            "",
            '16:1: inference.step_size is missing; solver = "euler" has no error estimate and needs it, a number '
            "above 0",
        ),
        ("euler", "step_size = 1\nrtol = 1", "18:1: inference.rtol is not used by solver 'euler'; remove it"),
        ("radau", "step_size = 1", "17:1: inference.step_size is not used by solver 'radau'; remove it"),
        ("bdf", "step_size = 1", "17:1: inference.step_size is not used by solver 'bdf'; remove it"),
        ("lsoda", "step_size = 1", "17:1: inference.step_size is not used by solver 'lsoda'; remove it"),
        (
            "dopri5",
            "step_size = 1\nnoise = 1",
            '18:1: inference.noise = 1.0 does not go with solver = "dopri5"; choose euler, heun or midpoint, or write '
            "noise = 0",
        ),
        (
            "rk45",
            "",
            "16:10: inference.solver: \"rk45\" is not allowed; did you mean 'dopri5'? Give one of euler, heun, "
            "midpoint, bosh3, tsit5, dopri5, dopri8, kvaerno3, kvaerno5, radau, bdf, lsoda",
        ),
    ],
)
def test_what_a_solver_needs(files: Files, solver: str, lines: str, problem: str):
    text = HEUN.replace("heun", solver) + lines + "\nt_end = 1"
    assert files.problems(text) == [f"s.toml:{problem}"]


def test_noise_in_increment_form(files: Files):
    text = HEUN.replace('"standard"', '"increment"') + "step_size = 0.1\nt_end = 1\nnoise = 1"
    assert files.problems(text) == [
        's.toml:19:1: inference.noise = 1.0 does not go with form = "increment"; write form = "standard" or noise = 0'
    ]
    assert not files.read(text, "inference.form=standard").inference.has_forms


def test_every_solver_can_run_without_noise(files: Files):
    for solver in ("heun", "midpoint", "bosh3", "tsit5", "dopri5", "dopri8", "kvaerno3", "kvaerno5"):
        for line in ("step_size = 0.1", "rtol = 0.1"):
            assert files.read(HEUN.replace("heun", solver) + f"t_end = 1\n{line}").inference.solver == solver
    for solver in ("radau", "bdf", "lsoda"):
        assert files.read(HEUN.replace("heun", solver) + "t_end = 1").inference.tolerances == (1e-6, 1e-9)
    for change in ("inference.method=error", "inference.predictions=fixed", "inference.start=normal"):
        assert files.read(HEUN + "t_end = 1\nstop = { grad_norm = 1 }", change).inference.solver == "heun"


@pytest.mark.parametrize("line", ["t_end = 1", "rtol = 1", "atol = 1", "save_at = [1]"])
def test_words_that_need_a_solver(files: Files, line: str):
    key = line.split(" ", maxsplit=1)[0]
    assert files.problems(TEXT + line) == [
        f"s.toml:18:1: inference.{key} is not used without inference.solver; remove it, or choose a "
        "solver in [inference]"
    ]


def test_methods_without_continuous_time(files: Files):
    text = HEUN.replace('"state"', '"sequential"') + "t_end = 1"
    assert files.problems(text) == [
        f"s.toml:{line}:1: inference.{key} is not used by method 'sequential'; remove it"
        for line, key in ((16, "solver"), (17, "t_end"))
    ]


@pytest.mark.parametrize(
    ("word", "meant"),
    [("ode", "solver"), ("t1", "t_end"), ("duration", "t_end"), ("temperature", "noise"), ("saveat", "save_at")],
)
def test_words_of_other_programs(files: Files, word: str, meant: str):
    (line,) = files.problems(HEUN + f"t_end = 1\n{word} = 1")
    assert line == f"s.toml:18:1: unknown key '{word}' in [inference]; did you mean '{meant}'?"
