"""What came of the runs of a study: a table over seeds, CSV, the best as a scenario, figures."""

import csv
from pathlib import Path

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from pcsim.scenario import parse_scenario, read_scenario
from pcsim.studies.file import write_study
from pcsim.studies.rows import Row

TEXT = """
title = "Small"
[network]
widths = [64, 8, 10]
activation = "tanh"
[data]
name = "digits"
[inference]
method = "error"
loss = "squared-error"
steps = 2
step_size = 0.1
[learning]
epochs = 2
[sweep]
learning.lr = [1e-4, 1e-3, 1e-2]
learning.batch = [32]
seed = [0, 1]
inference = [{ method = "state", steps = 9 }, { method = "error", steps = 2 }]
"""
DIVERGED = "training diverged: the energy of layer 0 is not finite at update 2 (epoch 1)"


def accuracy(rate: float, seed: int, method: str) -> float:
    return 0.9 - abs(np.log10(rate) + 3) / 10 + seed / 100 - (method == "state") / 20


def rows() -> list[Row]:
    found: list[Row] = []
    for rate in (1e-4, 1e-3, 1e-2):
        for seed in (0, 1):
            for method, steps in (("state", 9), ("error", 2)):
                values = {"learning.lr": rate, "seed": seed, "inference": {"method": method, "steps": steps}}
                fails = rate == 1e-2 and method == "state"
                outcome = {} if fails else {"test_loss": 0.5, "test_accuracy": accuracy(rate, seed, method)}
                found.append(Row(str(len(found)), values, {}, outcome, DIVERGED if fails else "", seconds=1.5))
    return found


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    attributes = {"study": "energies", "status": "complete", "title": "Small", "study_seconds": 1.0}
    write_study(Path("s.h5"), parse_scenario(TEXT), attributes, {}, rows(), new=True).close()
    return Path("s.h5")


def test_the_table_has_means_and_deviations_over_seeds_the_best_first_failed_ones_last(
    study: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(["results", "s.h5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["Small", "study energies: 12 runs, 2 failed (status complete)"]
    assert " ".join(lines[3].split()) == '0.001 { method = "error", steps = 2 } 2 90.50 ± 0.71 % 0.5 ± 0'
    assert lines[8].rstrip().endswith(f"2 of 2: {DIVERGED}")
    assert "sorted by test samples" in lines[-1]
    assert call(["results", "s.h5", "--best", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5


def test_the_best_is_a_scenario_that_trains_with_all_its_seeds(study: Path) -> None:
    assert call(["results", "s.h5", "--scenario", "best.toml"]) == 0
    best = read_scenario("best.toml")
    assert best.learning is not None
    assert (best.learning.lr, best.learning.batch, best.learning.seeds) == (1e-3, 32, (0, 1))
    assert (best.inference.method, best.inference.steps, best.asks_for) == ("error", 2, None)
    assert call(["results", "s.h5", "--scenario", "best.toml"]) == 2
    assert call(["results", "s.h5", "--scenario", "best.toml", "--force"]) == 0


def test_csv_frame_and_data_set_have_a_row_a_run(study: Path) -> None:
    assert call(["results", "s.h5", "--csv", "s.csv"]) == 0
    with Path("s.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [float(row["learning.lr"]) for row in found[::4]] == [1e-4, 1e-3, 1e-2]
    assert found[8]["failure"] == DIVERGED
    assert found[8]["test_accuracy"] == ""
    runs = pcsim.results("s.h5")
    data = runs.to_xarray()
    assert data["seed"].values.tolist() == [0, 0, 1, 1] * 3
    assert data["test_accuracy"].where(data["learning.lr"] == 1e-3, drop=True).values.max() == accuracy(
        1e-3, 1, "error"
    )
    assert np.isnan(data["test_accuracy"].values[8])


@pytest.mark.parametrize("keys", [1, 2, 3])
def test_figures_over_one_key_two_and_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keys: int) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["learning.lr", "inference.step_size", "learning.optimizer"][:keys]
    grid = [(rate, size, word) for rate in (1e-4, 1e-2) for size in (0.1, 0.2, 0.3) for word in ("adam", "sgd")]
    found = [
        Row(str(i), dict(zip(names, values, strict=False)), {}, {"test_loss": values[0] + values[1]})
        for i, values in enumerate(grid)
    ]
    attributes = {"study": "energies", "status": "complete", "title": "", "study_seconds": 1.0}
    write_study(Path("s.h5"), parse_scenario(TEXT), attributes, {}, found, new=True).close()
    assert call(["results", "s.h5", "-o", "s.png"]) == 0
    assert Path("s.png").stat().st_size > 10_000


def test_what_has_no_results_says_so(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = TEXT[: TEXT.index("[learning]")]
    with pcsim.run(parse_scenario(text)) as trace, pytest.raises(UsageError, match="is of one run, not of a study"):
        pcsim.results(trace)
    attributes = {"study": "energies", "status": "complete", "title": "", "study_seconds": 1.0}
    write_study(Path("old.h5"), parse_scenario(TEXT), attributes, {}, [], new=True).close()
    failed = [Row("0", {"seed": 0}, failure="out of memory")]
    write_study(Path("failed.h5"), parse_scenario(TEXT), attributes, {}, failed, new=True).close()
    assert call(["results", "old.h5"]) == 2
    assert call(["results", "failed.h5", "--scenario", "best.toml"]) == 2
    assert call(["results", "failed.h5", "-o", "s.png"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert "has no row a run: nothing is finished, or an older pcsim wrote it" in errors[0]
    assert "no run has come to a number that runs are ranked by" in errors[1]
    assert "there is nothing to draw" in errors[2]
