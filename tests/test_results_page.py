"""The page of results: what is finished is not done again, and published numbers stand beside ours."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tools.studies.finished import Finished, Planned, main, read_finished
from tools.studies.results_table import page

SHORT = ("learning.epochs=1", "data.samples=128")


def done(name: str, seed: int, accuracy: float | None) -> Finished:
    planned = Planned(name, seed)
    return Finished(
        name,
        [],
        seed,
        planned.digest(),
        accuracy,
        0.98765,
        90.0,
        "jax",
        "a machine, one thread",
        "pcsim 0",
        "2026-01-02",
    )


def test_a_finished_run_is_a_line_and_leaves_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, folder, planned = tmp_path / "runs.jsonl", tmp_path / "kept", Planned("train-digits", 3, SHORT)
    folder.mkdir()
    monkeypatch.setattr("sys.argv", ["finished", str(file), str(folder), "train-digits", "3", *SHORT])
    assert main() == 0
    assert list(folder.iterdir()) == []
    run = read_finished(file)[planned.digest()]
    assert (run.name, run.seed, run.overrides, run.backend) == ("train-digits", 3, list(SHORT), "numpy")
    assert run.accuracy is not None
    assert 0 < run.accuracy < 1
    assert run.lowest_cosine is not None
    assert run.seconds is not None
    assert json.loads(file.read_text()) == asdict(run)


def test_only_what_changes_a_run_changes_its_digest() -> None:
    digest = Planned("train-digits", 0).digest()
    assert Planned("train-digits", 0, ('title="Another"', "learning.clip=1")).digest() != digest
    assert Planned("train-digits", 0, ('title="Another"', "learning.batch=64")).digest() == digest
    assert Planned("train-digits", 1).digest() != digest


def test_published_numbers_stand_beside_ours_and_differences_stand_out() -> None:
    runs = [
        done("train-mnist-bp-mse", 0, 0.98),
        done("train-mnist-bp-mse", 1, 0.981),
        done("train-mnist-bp-ce", 0, None),
    ]
    text = page({run.digest: run for run in runs})
    assert (
        "| `train-mnist-bp-mse` | 98.30 ± 0.15 | 98.05 ± 0.07 | 2 | **-0.25** | 0.9877 | 1.5, jax | 2026-01-02 |"
        in text
    )
    assert "| `train-mnist-bp-ce` | 98.13 ± 0.08 | diverged | 1 | – | 0.9877 | 1.5, jax | 2026-01-02 |" in text
    assert "| `train-mnist-eo-mse` | 98.28 ± 0.09 | not measured | – | – | – | – | – |" in text
    assert "- a machine, one thread, pcsim 0\n" in text
    within = page({run.digest: replace(run, accuracy=0.984) for run in runs[:1]})
    assert "| +0.10 |" in within
