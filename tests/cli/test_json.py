"""What commands print for programs: JSON, and nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING

SHORT = TEXT.replace("steps = 20", "steps = 3")


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    capsys.readouterr()
    assert call(list(arguments)) == code
    return json.loads(capsys.readouterr().out)


def test_a_run_its_layers_and_what_is_to_be_known(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TRAINING)
    found = printed(capsys, "run", "s.toml", "--json")
    with pcsim.open_trace("s.h5") as trace:
        assert (found["status"], found["attributes"]["seed"], Path(found["trace"]).name) == ("complete", 3, "s.h5")
        assert [layer["final_energy"] for layer in found["layers"]] == trace.energy[-1].tolist()
        assert [layer["layer"] for layer in found["layers"]] == list(trace.layer_names)
        assert found["training"]["test_accuracy"] == trace.training["test_accuracy"][-1]
        assert found["training"]["cosine"] == trace.training["cosine"][-1].tolist()
    scores = printed(capsys, "eval", "s.h5", "--json")
    assert scores["test"]["accuracy"] == pytest.approx(found["training"]["test_accuracy"])
    assert scores["precision"] == "float32"


def test_never_is_none_and_so_is_what_is_no_number(files: Files, capsys: pytest.CaptureFixture[str]):
    found = printed(capsys, "run", "signal-decay", "--json", "--set", "inference.steps=3")
    assert [layer["arrival"] for layer in found["layers"]] == [None] * 16 + [3, 2, 1, 0]
    assert found["findings"][0].startswith("No signal reached layers 0 to 15")
    files.write(SHORT)
    failed = printed(capsys, "run", "s.toml", "--json", "--set", "inference.step_size=1e30", code=1)
    assert failed["status"] == "failed"
    assert None in [layer["final_energy"] for layer in failed["layers"]]


def test_seeds_and_studies(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TRAINING.replace("epochs = 4", "epochs = 1\nseeds = [0, 1]"))
    found = printed(capsys, "run", "s.toml", "--json")
    assert [run["attributes"]["seed"] for run in found["runs"]] == [0, 1]
    assert found["left_out"] == []
    accuracy = [run["training"]["test_accuracy"] for run in found["runs"]]
    average = found["averages"]["test_accuracy"]
    assert average == {
        "mean": pytest.approx(np.mean(accuracy)),
        "std": pytest.approx(np.std(accuracy, ddof=1)),
        "seeds": 2,
    }
    files.write(SHORT + "\n[sweep]\nseed = [0, 1]\n", "t.toml")
    assert [row["run"] for row in printed(capsys, "run", "t.toml", "--json")["rows"]] == ["seed 0", "seed 1"]


def test_a_comparison_top_down_and_every_number_for_programs(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(SHORT)
    words = ("compare", "s.toml", "--form", "standard,increment")
    assert call(list(words)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "A small one"
    assert lines[1].startswith("float32 standard: the signal reaches every layer")
    table = lines.index(next(line for line in lines if line.startswith("run  ")))
    assert lines[table + 1].split()[:6] == ["float32", "standard", "3", "of", "3", "2"]
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.startswith("layer 0")]
    found = printed(capsys, *words, "--json", "--force")
    assert (found["reference"], found["layers"]) == ("float32 increment", ["layer 0", "layer 1", "output"])
    assert [run["arrivals"] for run in found["runs"]] == [[2, 1, 0], [2, 1, 0]]
    assert found["runs"][1]["largest_relative_error"] == [0.0, 0.0, 0.0]
    assert call([*words, "--full", "--force"]) == 0
    assert capsys.readouterr().out.count("layer 0") >= 3
    rows = Path("s-compare/compare.csv").read_text().splitlines()
    assert rows[0] == "run,layer,arrival,largest_relative_error,last_relative_error"
    assert rows[1].startswith("float32 standard,layer 0,2,")
    assert len(rows) == 7
