"""The words for learning: what they resolve to, what does not go together, what overrides replace, what they build."""

import json
import tomllib
from typing import Any

import pytest

from pcsim.cli.call import call
from pcsim.scenario import json_schema, parse_scenario, scenario_text
from tests.support.scenario_files import TEXT, Files, changed

LEARN = TEXT + "[learning]\n"
BACKPROP = (
    changed('"state"\nform = "standard"', '"backprop"').replace("steps = 20\nstep_size = 0.1\n", "") + "[learning]\n"
)
SCHEDULE = 'a table, as in { kind = "cosine" } or { kind = "step", every = 5, factor = 0.5 }'
SEEDS = "a list of whole numbers, 0 or more, each once, as in [0, 1, 2]"


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
        "normalise": "none",
        "checkpoint": 1,
        "drop_last": True,
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
    shown = {"sgd": {"weight_decay"}, "momentum": {"momentum", "weight_decay"}, "mq": {"rho", "r", "lr_min"}}
    for optimizer, keys in shown.items():
        found = set(resolved(LEARN + f'optimizer = "{optimizer}"') or {})
        assert found & {"momentum", "beta1", "beta2", "eps", "weight_decay", "rho", "r", "lr_min"} == keys
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


LR = "19:6: learning.lr:"
POSITIVE = "give a number greater than 0, or a list of them, one for each layer, the output's last"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("lr = 0", f"{LR} 0 is not allowed; {POSITIVE}"),
        (
            'lr = "0.1"',
            f'{LR} "0.1" is not allowed; {POSITIVE}, without quotes',
        ),
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
            "Give one of pc, forward, incremental, backprop",
        ),
        (
            'optimizer = "gd"',
            "19:13: learning.optimizer: \"gd\" is not allowed; did you mean 'sgd'? "
            "Give one of sgd, momentum, adam, adamw, mq, or optax.NAME by a name of that package",
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
    alone = changed("batch = 16", "batch = 16\nvalidation_seed = 3") + "[learning]"
    (line,) = files.problems(alone)
    assert line.startswith("s.toml:11:1: data.validation_seed is not used without data.validation; remove it, or")


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


def test_schema():
    schema = json.loads(json.dumps(json_schema()))
    table = schema["$defs"]["LearningTable"]["properties"]
    assert schema["properties"]["learning"]["$ref"] == "#/$defs/LearningTable"
    assert table["rule"]["enum"] == ["pc", "forward", "incremental", "backprop"]
    assert table["schedule"]["$ref"] == "#/$defs/RateSchedule"
    assert schema["$defs"]["RateSchedule"]["required"] == ["kind"]
    assert "learning" not in schema["then"]["required"]
