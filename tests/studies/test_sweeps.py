"""Sweeps: which runs the words of a scenario stand for."""

import re

import pytest

import pcsim
from pcsim.errors import ScenarioError
from pcsim.scenario import parse_scenario, runs_of, scenario_text
from pcsim.studies import results_of
from tests.support.small_sweep import TEXT

TOGETHER = (
    TEXT.split("[sweep]", maxsplit=1)[0]
    + """[sweep]
together = [
    { network.hidden.layers = 2, inference = { steps = 4, step_size = 0.2 } },
    { network.hidden.layers = 3, inference.steps = 5 },
]
inference.method = ["state", "error"]
"""
)


def test_a_sweep_is_a_run_for_every_combination_of_its_values() -> None:
    found = [
        (r.scenario.inference.method, r.scenario.network.widths[1], r.label()) for r in runs_of(parse_scenario(TEXT))
    ]
    assert found == [
        ("state", 8, "state, width 8"),
        ("state", 12, "state, width 12"),
        ("error", 8, "error, steps 3, width 8"),
        ("error", 12, "error, steps 3, width 12"),
    ]


def test_a_table_and_a_key_of_it_are_both_swept_where_the_key_is_quoted() -> None:
    scenario = parse_scenario(
        TEXT.replace("network.hidden.width", '"inference.step_size"').replace("[8, 12]", "[0.1, 0.2]")
    )
    found = [(run.scenario.inference.method, run.scenario.inference.step_size) for run in runs_of(scenario)]
    assert found == [("state", 0.1), ("state", 0.2), ("error", 0.1), ("error", 0.2)]
    assert parse_scenario(scenario_text(scenario)) == scenario


def test_keys_of_several_tables_change_together() -> None:
    scenario = parse_scenario(TOGETHER)
    found = [
        (len(each.network.widths) - 2, each.inference.steps, each.inference.step_size, each.inference.method)
        for each in (run.scenario for run in runs_of(scenario))
    ]
    assert found == [(2, 4, 0.2, "state"), (2, 4, 0.2, "error"), (3, 5, 0.1, "state"), (3, 5, 0.1, "error")]
    assert runs_of(scenario)[2].label() == "layers 3, steps 5, state"
    assert parse_scenario(scenario_text(scenario)) == scenario


def test_what_is_given_on_the_command_line_holds_in_what_changes_together() -> None:
    found = runs_of(parse_scenario(TOGETHER, overrides=["inference.steps=9", "inference.method=state"]))
    assert [(len(run.scenario.network.widths) - 2, run.scenario.inference.steps) for run in found] == [(2, 9), (3, 9)]


def test_the_resolved_text_reads_as_the_same_sweep() -> None:
    scenario = parse_scenario(TEXT)
    assert parse_scenario(scenario_text(scenario)) == scenario


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("inference.stesp = [1]", "unknown key 'stesp' in [sweep.inference]; did you mean 'steps'?"),
        ("inference.steps = [2, -1]", "sweep.inference.steps = -1: -1 is not allowed; give a whole number, 0 or more"),
        ("inference.steps = 3", "15:19: sweep.inference.steps: 3 is not allowed; give keys with a list of values each"),
        ("inference.steps = []", "is not allowed; give keys with a list of values each"),
        ('inference = [{ methd = "state" }]', "unknown key 'methd' in [inference]; did you mean 'method'?"),
        ("study.kind = [1]", "unknown key 'study' in [sweep]"),
        ("together = [3]", "together = [3] is not allowed; give tables of keys below seed, network, data, inference"),
        ('together = [{ study.kind = "energies" }]', "is not allowed; give tables of keys below seed, network, data"),
        ("together.inference.steps = [1, 2]", "together.inference.steps = [1, 2] is not allowed; give tables of keys"),
        ("together = [{ inference.stesp = 1 }]", "sweep.together: inference.stesp = 1: unknown key 'stesp' in"),
    ],
)
def test_mistakes_in_a_sweep_are_one_line_each(line: str, message: str) -> None:
    text = TEXT[: TEXT.index("[sweep]")] + f"[sweep]\n{line}\n"
    with pytest.raises(ScenarioError) as error:
        parse_scenario(text)
    assert len(error.value.problems) == 1
    assert error.value.problems[0].startswith(("scenario:14:", "scenario:15:"))
    assert message in error.value.problems[0]


def test_several_seeds_are_swept_and_not_listed() -> None:
    learning = "[learning]\nepochs = 1\nlr = 0.1\nbatch = 8\noptimizer = 'sgd'\nseeds = [0, 1]\n"
    with pytest.raises(ScenarioError, match=r"write seed = \[0, 1, 2\] in \[sweep\]"):
        parse_scenario(TEXT + learning)


def test_a_flow_is_swept_over_its_times() -> None:
    flow = re.sub("steps = 6\nstep_size = 0.1", "solver = 'dopri5'\nt_end = 1.0", TEXT.split("[sweep]", maxsplit=1)[0])
    with pcsim.run(parse_scenario(flow + '[backend]\nprecision = "float64"\n[sweep]\nseed = [0, 1]\n')) as trace:
        assert results_of(trace)["step"].unit == "time"


def test_what_is_given_on_the_command_line_holds_in_every_run() -> None:
    given = ["network.hidden.width=5", "inference.steps=2"]
    scenario = parse_scenario(TEXT, overrides=given)
    assert [(r.scenario.network.widths[1], r.scenario.inference.steps) for r in runs_of(scenario)] == [(5, 2), (5, 2)]
    assert scenario.notes == (
        "dropped sweep.network.hidden.width: every run has the value given (set by --set network.hidden.width=5)",
    )
