"""The forms in which a call may give a scenario, and what is said of mistakes in each."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.errors import ScenarioError, UsageError
from pcsim.scenario import scenario_of
from tests.support.scenario_files import TEXT, Files

TABLES: dict[str, Any] = {
    "network": {"widths": np.array([64, 8, 10]), "activation": "tanh"},
    "data": {"name": "digits", "batch": 8, "seed": None},
    "inference": {"method": "state", "loss": "squared-error", "steps": np.int64(3)},
}


def test_all_forms_say_the_same(files: Files) -> None:
    path = files.write(TEXT)
    read = pcsim.read_scenario(path)
    assert scenario_of(str(path)) == scenario_of(path) == scenario_of(TEXT) == scenario_of(read) == read
    assert scenario_of("signal-decay") == pcsim.read_scenario("signal-decay")


def test_overrides_are_one_text_or_several(files: Files) -> None:
    path = files.write(TEXT)
    for given in (path, TEXT, pcsim.read_scenario(path)):
        assert scenario_of(given, "inference.steps=7").inference.steps == 7
        changed = scenario_of(given, ["inference.steps=7", "seed=5"])
        assert (changed.inference.steps, changed.seed) == (7, 5)


def test_tables_take_numbers_of_numpy_and_leave_out_what_is_none() -> None:
    assert pcsim.run(TABLES, "inference.steps=2").energy.shape == (3, 2)
    assert scenario_of(TABLES).network.widths == (64, 8, 10)
    assert scenario_of(TABLES).inference.steps == 3


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (TABLES | {"inferense": {}}, "given inferense: unknown table [inferense]; did you mean [inference]?"),
        (TABLES | {"network": {"activation": "tanh"}}, "given network: network.widths is missing; give a list of"),
        (TABLES | {"seed": "3"}, 'given seed: "3" is not allowed; give a whole number, 0 or more'),
        ({}, "the tables are empty; they need at least network, data and inference"),
        ("seed = 1\nsed = 2\n", "the text:2:1: unknown key 'sed' at the top of the file; did you mean 'seed'?"),
        ("signal-decy", "signal-decy: there is no such file; did you mean 'signal-decay', which ships with pcsim?"),
    ],
)
def test_a_mistake_is_told_by_its_key(given: Any, line: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        scenario_of(given)
    assert any(problem.startswith(line) for problem in caught.value.problems)


def test_data_that_do_not_fit_are_told_by_the_key_of_a_table() -> None:
    wrong = TABLES | {"network": {"widths": [60, 8, 10], "activation": "tanh"}}
    with pytest.raises(UsageError, match=r"^given network.widths: the first width is 60, but a sample"):
        pcsim.run(wrong)


def test_what_is_no_scenario_is_one_line() -> None:
    wrong: Any = Path
    with pytest.raises(UsageError, match=r"a scenario is a name, a path, tables .* not type"):
        pcsim.run(wrong)


@pytest.mark.parametrize("overrides", [3, {"inference.steps": 3}])
def test_overrides_that_are_no_texts_are_one_line(overrides: Any) -> None:
    with pytest.raises(UsageError, match=r"overrides are texts, as in 'inference.steps=3', one or several, not"):
        scenario_of("signal-decay", overrides)
