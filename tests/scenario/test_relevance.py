"""Keys that a scenario's choices make no use of: an error in a file, dropped with a note after an override."""

from operator import attrgetter

import pytest

from pcsim.scenario import parse_scenario, scenario_text
from pcsim.scenario.relevance import RULES
from tests.support.scenario_files import TEXT, Files, changed

MOVING = [
    "start",
    "steps",
    "step_size",
    "step_decay",
    "step_halving",
    "optimizer",
    "momentum",
    "beta1",
    "beta2",
    "eps",
    "stop",
]


def test_a_key_the_method_does_not_use(files: Files):
    problems = files.problems(changed('"state"', '"error"'))
    assert problems == ["s.toml:14:1: inference.form is not used by method 'error'; remove it"]


def test_an_override_of_the_method_drops_it(files: Files):
    scenario = files.read(TEXT, "inference.method=error")
    assert scenario.notes == ("dropped inference.form: not used by method 'error' (set by --set)",)
    assert "form =" not in scenario_text(scenario)


def test_extending_a_file_with_another_method_drops_it(files: Files):
    files.write(TEXT, "base.toml")
    scenario = files.read('extends = "base.toml"\n[inference]\nmethod = "error"')
    assert scenario.notes == ("dropped inference.form: not used by method 'error' (set by s.toml:3:1)",)
    problems = files.problems('extends = "base.toml"\n[inference]\nmomentum = 0.5')
    assert problems == [
        "s.toml:3:1: inference.momentum is not used by optimizer 'gd'; "
        'remove it, or write optimizer = "momentum" in [inference]'
    ]


def test_an_override_that_is_not_used(files: Files):
    assert files.problems(TEXT, "inference.method=error", "inference.form=increment") == [
        "--set inference.form=increment: inference.form is not used by method 'error'; remove it"
    ]


@pytest.mark.parametrize(
    ("table", "lines", "unused", "reason"),
    [
        ("network", 'init = "orthogonal"\nstd = 1.0', ["std"], "init 'orthogonal'"),
        ("network", 'init = "normal"\nstd = 1.0\ngain = 2', ["gain"], "init 'normal'"),
        ("network", "low = 0\nhigh = 1", ["low", "high"], "init 'kaiming-uniform'"),
        ("network", 'parametrisation = "mupc"\ninit = "xavier"\ngain = 1', ["init", "gain"], "parametrisation 'mupc'"),
        ("network", "negative_slope = 0.1", ["negative_slope"], "activation 'gelu'"),
        ("data", 'slope = 1\nnoise = 0.1\nfile = "x"', ["file", "slope", "noise"], "data set 'digits'"),
        ("inference", "momentum = 0.5", ["momentum"], "optimizer 'gd'"),
        ("inference", 'optimizer = "momentum"\nbeta1 = 0.5\neps = 1', ["beta1", "eps"], "optimizer 'momentum'"),
        ("inference", "clamp_precision = 2", ["clamp_precision"], "clamp 'hard'"),
    ],
)
def test_rules(files: Files, table: str, lines: str, unused: list[str], reason: str):
    problems = files.problems(changed(f"[{table}]\n", f"[{table}]\n{lines}\n"))
    assert len(problems) == len(unused)
    for key in unused:
        assert any(f": {table}.{key} is not used by {reason}; remove it" in line for line in problems)


def test_weights_make_the_initialiser_useless(files: Files):
    text = changed("[data]", 'weights = "w.npz"\ninit = "normal"\n[data]')
    assert files.problems(text) == [
        "s.toml:9:1: network.init is not used where network.weights gives the parameters; remove it"
    ]
    scenario = files.read(changed("[data]", 'init = "normal"\nstd = 1\n[data]'), "network.weights=w.npz")
    assert [note.split(":")[0] for note in scenario.notes] == ["dropped network.init", "dropped network.std"]


def test_backprop_uses_the_loss_and_the_clamp_only(files: Files):
    text = TEXT + 'optimizer = "adam"\nbeta1 = 0.5\nstop = { grad_norm = 1 }\nclamp = "hard"\nstart = "zeros"\n'
    text += 'predictions = "fixed"'
    scenario = files.read(text, "inference.method=backprop")
    dropped = {note.split(":")[0].removeprefix("dropped inference.") for note in scenario.notes}
    assert dropped == {"form", "steps", "step_size", "optimizer", "beta1", "stop", "start", "predictions"}
    assert all("not used by method 'backprop' (set by --set)" in note for note in scenario.notes)
    assert len(files.problems(text.replace('"state"', '"backprop"'))) == len(dropped)


def test_backprop_uses_no_precisions_and_no_decay(files: Files):
    text = changed("[data]", "precisions = 2\nactivity_decay = 0.1\n[data]")
    scenario = files.read(text, "inference.method=backprop")
    keys = ("network.precisions", "network.activity_decay")
    assert {f"dropped {key}: not used by method 'backprop' (set by --set)" for key in keys} < set(scenario.notes)
    assert (scenario.network.precisions, scenario.network.activity_decay) == (1.0, 0.0)
    problems = files.problems(text, "inference.method=backprop", "network.precisions=3")
    assert problems == ["--set network.precisions=3: network.precisions is not used by method 'backprop'; remove it"]


def test_a_misspelt_choice_is_the_only_problem(files: Files):
    (problem,) = files.problems(changed('"state"', '"stat"') + "momentum = 0.5\noptimizer = 'momentum'")
    assert "did you mean 'state'?" in problem


def test_every_rule_names_keys_that_exist():
    scenario = parse_scenario(TEXT + 'start = "amortised"\n[learning]\nschedule = { kind = "step" }')
    for rule in RULES:
        for key in (*rule.keys, rule.decider):
            attrgetter(key)(scenario)


def test_all_keys_that_move_something_belong_to_the_moving_methods():
    ruled = {key for rule in RULES if rule.decider == "inference.method" for key in rule.keys}
    assert {f"inference.{key}" for key in MOVING} <= ruled
