"""The words for learning: what they resolve to, what does not go together, what overrides replace, what they build."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pcsim.cli import call
from pcsim.scenario import LearningTable, RateSchedule, json_schema, parse_scenario, scenario_text
from tests.support.scenario_files import TEXT, Files, changed

LEARN = TEXT + "[learning]\n"
BACKPROP = (
    changed('"state"\nform = "standard"', '"backprop"').replace("steps = 20\nstep_size = 0.1\n", "") + "[learning]\n"
)
SCHEDULE = 'a table, as in { kind = "cosine" } or { kind = "step", every = 5, factor = 0.5 }'
SEEDS = "a list of whole numbers, 0 or more, each once, as in [0, 1, 2]"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    return Files(tmp_path)


def resolved(text: str) -> dict[str, Any] | None:
    """Return the resolved [learning] table of a scenario."""
    return tomllib.loads(scenario_text(parse_scenario(text))).get("learning")


def test_defaults():
    assert resolved(LEARN) == {
        "rule": "pc",
        "optimizer": "adam",
        "lr": 1e-3,
        "epochs": 10,
        "batch": 64,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
        "weight_decay": 0.0,
        "scale": "none",
        "checkpoint": 1,
        "shuffle": True,
    }


def test_without_the_table_nothing_is_said_of_learning():
    text = scenario_text(parse_scenario(TEXT))
    assert parse_scenario(text).learning is None
    assert "learning" not in text
    assert "validation" not in text


@pytest.mark.parametrize(
    "text",
    [
        LEARN,
        LEARN + "seeds = [3, 0, 9223372036854775807]\npatience = 2\ncheckpoint = 5\nshuffle = false\nclip = 1e-300",
        LEARN + 'optimizer = "momentum"\nmomentum = 0.5\nweight_decay = 1e-4\nschedule = { kind = "cosine", peak = 1 }',
        LEARN + 'rule = "incremental"\noptimizer = "mq"\nscale = "per-layer"\nschedule = { kind = "step", every = 2 }',
        BACKPROP,
        BACKPROP + 'rule = "backprop"\noptimizer = "adamw"\nbeta1 = 0',
        changed("batch = 16", "batch = 16\nvalidation = 0.1") + "[learning]",
        TEXT + '[learning.schedule]\nkind = "cosine"\n[trace]\nevery = 2',
    ],
)
def test_resolved_text_reads_as_the_same_scenario(text: str):
    scenario = parse_scenario(text)
    again = parse_scenario(scenario_text(scenario))
    assert again == scenario
    assert scenario_text(again) == scenario_text(scenario)
    tables = [line for line in scenario_text(scenario).splitlines() if line.startswith("[")]
    assert tables == ["[network]", "[data]", "[inference]", "[learning]", "[trace]", "[backend]"]


def test_keys_that_are_not_used_are_not_shown():
    shown = {"sgd": {"weight_decay"}, "momentum": {"momentum", "weight_decay"}, "mq": set[str]()}
    for optimizer, keys in shown.items():
        found = set(resolved(LEARN + f'optimizer = "{optimizer}"') or {})
        assert found & {"momentum", "beta1", "beta2", "eps", "weight_decay"} == keys
    found = resolved(LEARN + 'schedule = { kind = "step" }') or {}
    assert found["schedule"] == {"kind": "step", "every": 5, "factor": 0.5}
    found = resolved(LEARN + 'schedule = { kind = "cosine", final = 0 }') or {}
    assert found["schedule"] == {"kind": "cosine", "warmup": 0.1, "peak": 1.1, "final": 0.0}


def test_show(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT)
    assert call(["show", "s.toml"]) == 0
    assert "[learning]" not in capsys.readouterr().out
    assert call(["show", "s.toml", "--set", "learning.lr=1e-2", "--set", "learning.seeds=[0, 1]"]) == 0
    shown = tomllib.loads(capsys.readouterr().out)["learning"]
    assert (shown["lr"], shown["seeds"], shown["optimizer"]) == (1e-2, [0, 1], "adam")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("lr = 0", "19:6: learning.lr: 0 is not allowed; give a number greater than 0"),
        ('lr = "0.1"', '19:6: learning.lr: "0.1" is not allowed; give a number greater than 0, without quotes'),
        ("epochs = 0", "19:10: learning.epochs: 0 is not allowed; give a whole number, 1 or more"),
        ("batch = 1.5", "19:9: learning.batch: 1.5 is not allowed; give a whole number, 1 or more"),
        ("checkpoint = 0", "19:14: learning.checkpoint: 0 is not allowed; give a whole number, 1 or more"),
        ("patience = 0", "19:12: learning.patience: 0 is not allowed; give a whole number, 1 or more"),
        ("clip = 0", "19:8: learning.clip: 0 is not allowed; give a number greater than 0"),
        ("eps = 0", "19:7: learning.eps: 0 is not allowed; give a number greater than 0"),
        (
            "beta1 = 1",
            "19:9: learning.beta1: 1 is not allowed; give a number from 0 up to, but not including, 1",
        ),
        ("weight_decay = -1", "19:16: learning.weight_decay: -1 is not allowed; give a number, 0 or more"),
        ("shuffle = 1", "19:11: learning.shuffle: 1 is not allowed; give true or false"),
        (
            'rule = "ipc"',
            "19:8: learning.rule: \"ipc\" is not allowed; did you mean 'incremental'? "
            "Give one of pc, incremental, backprop",
        ),
        (
            'optimizer = "gd"',
            "19:13: learning.optimizer: \"gd\" is not allowed; did you mean 'sgd'? "
            "Give one of sgd, momentum, adam, adamw, mq",
        ),
        (
            'scale = "per_layer"',
            "19:9: learning.scale: \"per_layer\" is not allowed; did you mean 'per-layer'? Give one of none, per-layer",
        ),
        ('schedule = "cosine"', f'19:12: learning.schedule: "cosine" is not allowed; give {SCHEDULE}'),
        ("schedule = {}", "19:1: learning.schedule.kind is missing; give one of constant, cosine, step"),
        (
            'schedule = { kind = "cos" }',
            "19:21: learning.schedule.kind: \"cos\" is not allowed; did you mean 'cosine'? "
            "Give one of constant, cosine, step",
        ),
        (
            'schedule = { kind = "cosine", warmup = 1 }',
            "19:40: learning.schedule.warmup: 1 is not allowed; give a number from 0 up to, but not including, 1",
        ),
        (
            'schedule = { kind = "cosine", peak = 0 }',
            "19:38: learning.schedule.peak: 0 is not allowed; give a number greater than 0",
        ),
        (
            'schedule = { kind = "cosine", final = -1 }',
            "19:39: learning.schedule.final: -1 is not allowed; give a number, 0 or more",
        ),
        (
            'schedule = { kind = "step", every = 0.5 }',
            "19:37: learning.schedule.every: 0.5 is not allowed; give a whole number, 1 or more",
        ),
        (
            'schedule = { kind = "step", factor = 0 }',
            "19:38: learning.schedule.factor: 0 is not allowed; give a number greater than 0",
        ),
        ("seeds = 1", f"19:9: learning.seeds: 1 is not allowed; give {SEEDS}"),
        ("seeds = []", f"19:9: learning.seeds: [] is not allowed; give {SEEDS}"),
        ("seeds = [1, -1]", f"19:13: learning.seeds: -1 is not allowed; give {SEEDS}"),
        ("seeds = [1, 2, 1]", f"19:9: learning.seeds: [1, 2, 1] is not allowed; give {SEEDS}"),
    ],
)
def test_values_that_are_not_allowed(files: Files, line: str, problem: str):
    assert files.problems(LEARN + line) == [f"s.toml:{problem}"]


def test_the_share_for_validation(files: Files):
    text = changed("batch = 16", "validation = 1")
    assert files.problems(text + "[learning]") == [
        "s.toml:10:14: data.validation: 1 is not allowed; give a number from 0 up to, but not including, 1"
    ]
    assert files.problems(text.replace("= 1\n", "= 0.1\n")) == [
        "s.toml:10:1: data.validation is not used without [learning]; remove it, or add the table [learning]"
    ]
    assert parse_scenario(text.replace("= 1\n", "= 0.1\n") + "[learning]").data.validation == 0.1


def test_a_table_that_is_none(files: Files):
    assert files.problems("learning = 3\n" + TEXT) == [
        "s.toml:1:12: learning: 3 is not allowed; give a table: write [learning] on a line of its own"
    ]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("learning_rate", "lr"),
        ("step_size", "lr"),
        ("alpha", "lr"),
        ("optimiser", "optimizer"),
        ("batch_size", "batch"),
        ("n_epochs", "epochs"),
        ("num_epochs", "epochs"),
        ("l2", "weight_decay"),
        ("lr_scheduler", "schedule"),
        ("early_stopping", "patience"),
        ("max_norm", "clip"),
        ("epsilon", "eps"),
        ("save_every", "checkpoint"),
    ],
)
def test_words_of_others(files: Files, key: str, meant: str):
    assert files.problems(LEARN + f"{key} = 1") == [
        f"s.toml:19:1: unknown key '{key}' in [learning]; did you mean '{meant}'?"
    ]


def test_keys_in_the_wrong_table(files: Files):
    assert files.problems(TEXT + "lr = 0.1") == [
        "s.toml:18:1: unknown key 'lr' in [inference]; did you mean 'step_size'?"
    ]
    assert files.problems(TEXT + "epochs = 3") == ["s.toml:18:1: 'epochs' belongs in [learning]; move it there"]
    assert files.problems(LEARN + "validation = 0.1") == ["s.toml:19:1: 'validation' belongs in [data]; move it there"]
    assert files.problems(LEARN + 'schedule = { kind = "step", gamma = 0.1 }') == [
        "s.toml:19:29: unknown key 'gamma' in [learning.schedule]; did you mean 'factor'?"
    ]
    assert files.problems(TEXT + "[training]") == ["s.toml:18:1: unknown table [training]; did you mean [learning]?"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "momentum = 0.5",
            "learning.momentum is not used by optimizer 'adam'; "
            'remove it, or write optimizer = "momentum" in [learning]',
        ),
        ('optimizer = "sgd"\nbeta1 = 0.5', "learning.beta1 is not used by optimizer 'sgd'; remove it"),
        ('optimizer = "momentum"\nbeta2 = 0.5', "learning.beta2 is not used by optimizer 'momentum'; remove it"),
        ('optimizer = "mq"\neps = 0.5', "learning.eps is not used by optimizer 'mq'; remove it"),
        ('optimizer = "mq"\nweight_decay = 0.5', "learning.weight_decay is not used by optimizer 'mq'; remove it"),
        (
            'scale = "per-layer"\nclip = 1',
            "learning.clip is not used by scale 'per-layer'; remove it, or write scale = \"none\" in [learning]",
        ),
        (
            'schedule = { kind = "cosine", every = 3 }',
            "learning.schedule.every is not used by schedule 'cosine'; "
            'remove it, or write kind = "step" in [learning.schedule]',
        ),
        (
            'schedule = { kind = "step", final = 3 }',
            "learning.schedule.final is not used by schedule 'step'; "
            'remove it, or write kind = "cosine" in [learning.schedule]',
        ),
    ],
)
def test_keys_that_are_not_used(files: Files, line: str, problem: str):
    (found,) = files.problems(LEARN + line)
    assert found.split(": ", 1)[1] == problem


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


def test_learning_infers_in_discrete_steps_from_the_feedforward_pass(files: Files):
    flow = changed("steps = 20\nstep_size = 0.1\n", 'solver = "heun"\nt_end = 1\n')
    told = 'inference.solver = "heun" does not go with [learning], which infers in discrete steps; '
    told += "write steps and step_size instead, or remove [learning]"
    assert files.problems(flow + "[learning]") == [f"s.toml:16:1: {told}"]
    assert files.problems(flow, "learning.lr=1") == [f"--set learning.lr=1: {told}"]
    assert files.problems(changed("= 20", "= 0") + "[learning]") == [
        "s.toml:16:1: inference.steps = 0 does not go with [learning], which needs settled errors; "
        "write steps = 1 or more, or remove [learning]"
    ]
    assert files.problems(LEARN, "inference.start=zeros") == [
        '--set inference.start=zeros: inference.start = "zeros" does not go with [learning], which starts at the '
        'feedforward pass; write start = "feedforward", or remove [learning]'
    ]


def test_overrides_make_the_table(files: Files):
    scenario = files.read(TEXT, "learning.lr=1e-2", "learning.schedule.kind=step", "data.validation=0.2")
    assert scenario.learning == LearningTable(lr=1e-2, schedule=RateSchedule(kind="step"))
    assert scenario.notes == ()
    assert files.problems(TEXT, "learning.lr=0") == [
        "--set learning.lr=0: 0 is not allowed; give a number greater than 0"
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


def test_schema():
    schema = json.loads(json.dumps(json_schema()))
    table = schema["$defs"]["LearningTable"]["properties"]
    assert schema["properties"]["learning"]["$ref"] == "#/$defs/LearningTable"
    assert table["rule"]["enum"] == ["pc", "incremental", "backprop"]
    assert table["schedule"]["$ref"] == "#/$defs/RateSchedule"
    assert schema["$defs"]["RateSchedule"]["required"] == ["kind"]
    assert "learning" not in schema["then"]["required"]
