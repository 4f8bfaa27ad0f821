"""Learning beside other tables: rules and methods that go together, and what overrides make and drop."""

import tomllib
from typing import Any

import pytest

from pcsim.scenario import LearningTable, RateSchedule, parse_scenario, scenario_text
from tests.support.scenario_files import TEXT, Files, changed

LEARN = TEXT + "[learning]\n"
BACKPROP = (
    changed('"state"\nform = "standard"', '"backprop"').replace("steps = 20\nstep_size = 0.1\n", "") + "[learning]\n"
)


def resolved(text: str) -> dict[str, Any] | None:
    """Return the resolved [learning] table of a scenario."""
    return tomllib.loads(scenario_text(parse_scenario(text))).get("learning")


@pytest.mark.parametrize(
    ("method", "rule", "problem"),
    [
        (
            'method = "error"',
            "backprop",
            'learning.rule = "backprop" does not go with inference.method = "error"; '
            'write method = "backprop" in [inference] or rule = "pc" in [learning]',
        ),
        (
            'method = "error"',
            "incremental",
            'learning.rule = "incremental" does not go with inference.method = "error"; '
            'write method = "state" in [inference] or rule = "pc" in [learning]',
        ),
        (
            'method = "state"\nform = "increment"',
            "incremental",
            'learning.rule = "incremental" does not go with inference.form = "increment"; '
            'write form = "standard" in [inference] or rule = "pc" in [learning]',
        ),
        (
            'method = "state"\npredictions = "fixed"',
            "incremental",
            'learning.rule = "incremental" does not go with inference.predictions = "fixed"; '
            'write predictions = "local" in [inference] or rule = "pc" in [learning]',
        ),
    ],
)
def test_rules_and_methods_that_do_not_go_together(files: Files, method: str, rule: str, problem: str):
    text = changed('method = "state"\nform = "standard"', method) + f'[learning]\nrule = "{rule}"'
    line = 18 if "\n" in method else 17
    assert files.problems(text) == [f"s.toml:{line + 1}:1: {problem}"]


@pytest.mark.parametrize("rule", ["pc", "incremental"])
def test_backpropagation_is_a_rule_of_its_own(files: Files, rule: str):
    assert files.problems(BACKPROP + f'rule = "{rule}"') == [
        f's.toml:16:1: learning.rule = "{rule}" does not go with inference.method = "backprop"; '
        'write method = "state" in [inference] or rule = "backprop" in [learning]'
    ]


def test_the_method_implies_the_rule(files: Files):
    assert resolved(BACKPROP) == resolved(BACKPROP + 'rule = "backprop"')
    found = files.read(TEXT, "inference.method=backprop", "learning.lr=0.1").learning
    assert found == LearningTable(rule="backprop", lr=0.1)


def test_learning_infers_in_steps_or_by_two_solvers(files: Files):
    flow = changed("steps = 20\nstep_size = 0.1\n", 'solver = "tsit5"\nt_end = 1\n')
    told = 'inference.solver = "tsit5" does not go with [learning], which takes euler or heun; '
    told += "write one of these, or steps and step_size"
    assert files.problems(flow + "[learning]") == [f"s.toml:16:1: {told}"]
    assert files.problems(flow, "learning.lr=1") == [f"--set learning.lr=1: {told}"]
    assert files.problems(changed("= 20", "= 0") + "[learning]") == [
        "s.toml:16:1: inference.steps = 0 does not go with [learning], which needs settled errors; "
        "write steps = 1 or more, or remove [learning]"
    ]


def test_overrides_make_the_table(files: Files):
    scenario = files.read(TEXT, "learning.lr=1e-2", "learning.schedule.kind=step", "data.validation=0.2")
    assert scenario.learning == LearningTable(lr=1e-2, schedule=RateSchedule(kind="step"))
    assert scenario.notes == ()
    assert files.problems(TEXT, "learning.lr=0") == [
        "--set learning.lr=0: 0 is not allowed; give a number greater than 0, "
        "or a list of them, one for each layer, the output's last"
    ]
    assert files.problems(TEXT, "learning.schedule.every=2") == [
        "--set learning.schedule.every=2: learning.schedule.kind is missing; give one of constant, cosine, step"
    ]
    assert files.problems(TEXT, "data.validation=0.2") == [
        "--set data.validation=0.2: data.validation is not used without [learning]; "
        "remove it, or add the table [learning]"
    ]


def test_overrides_drop_what_they_make_useless(files: Files):
    text = LEARN + 'beta1 = 0.5\nclip = 1\nschedule = { kind = "cosine", warmup = 0.2 }'
    overrides = ("learning.optimizer=mq", "learning.scale=per-layer", "learning.schedule.kind=step")
    scenario = files.read(text, *overrides)
    assert scenario.notes == (
        "dropped learning.beta1: not used by optimizer 'mq' (set by --set)",
        "dropped learning.clip: not used by scale 'per-layer' (set by --set)",
        "dropped learning.schedule.warmup: not used by schedule 'step' (set by --set)",
    )
    assert parse_scenario(scenario_text(scenario)) == scenario


def test_another_method_drops_the_rule(files: Files):
    scenario = files.read(LEARN + 'rule = "pc"', "inference.method=backprop")
    assert scenario.learning == LearningTable(rule="backprop")
    assert "dropped learning.rule: not used by method 'backprop' (set by --set)" in scenario.notes
    scenario = files.read(BACKPROP + 'rule = "backprop"', "inference.method=error")
    assert scenario.learning == LearningTable()
    assert scenario.notes == ("dropped learning.rule: not used by method 'error' (set by --set)",)
    (problem,) = files.problems(LEARN + 'rule = "pc"', "learning.rule=backprop")
    assert problem == (
        '--set learning.rule=backprop: learning.rule = "backprop" does not go with inference.method = "state"; '
        'write method = "backprop" in [inference] or rule = "pc" in [learning]'
    )
    assert len(files.problems(BACKPROP, "inference.method=backprop", "learning.rule=pc")) == 1


def test_a_newer_seed_replaces_the_seeds(files: Files):
    text = LEARN + "seeds = [1, 2]"
    assert files.read(text).notes == ()
    scenario = files.read(text, "seed=7")
    assert scenario.seed == 7
    assert scenario.learning == LearningTable()
    assert scenario.notes == ("dropped learning.seeds: replaced by seed 7 (set by --set)",)
    both = files.read(text, "seed=7", "learning.seeds=[4]").learning
    assert both == LearningTable(seeds=(4,))
