"""Training for several seeds."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import Interrupted, RunFailed, UsageError
from pcsim.figures.training_plot import by_training
from pcsim.report.plotting import draw
from pcsim.runs.experiment import run_experiment
from pcsim.runs.repetition import averages, last_measures, run_seeds
from pcsim.scenario import Scenario
from pcsim.trace import Trace
from tests.support.training_files import assert_same_bits, interrupting

SHORT = ["learning.epochs=2", "network.widths=[64,16,10]", "learning.seeds=[3,5]"]


def test_every_seed_is_the_run_of_that_seed(tmp_path: Path) -> None:
    scenario = pcsim.read_scenario("train-digits", SHORT)
    seen: list[dict[str, float]] = []
    paths = run_seeds(scenario, path=tmp_path / "run.h5", each=lambda trace: seen.append(last_measures(trace)))
    assert [path.name for path in paths] == ["run-seed3.h5", "run-seed5.h5"]
    alone = pcsim.read_scenario("train-digits", [*SHORT[:2], "seed=5"])
    with pcsim.run(alone) as one, pcsim.open_trace(paths[1]) as other:
        assert one.attributes["seed"] == other.attributes["seed"] == 5
        np.testing.assert_array_equal(one.training["energy"], other.training["energy"])
        assert last_measures(one) == seen[1]
    assert seen[0] != seen[1]


def test_a_figure_lays_seeds_over_each_other(tmp_path: Path) -> None:
    changes = ["learning.epochs=3", "network.widths=[64,16,10]"]
    traces = [pcsim.run(pcsim.read_scenario("train-digits", [*changes, f"seed={seed}"])) for seed in (0, 1)]
    other = pcsim.run(pcsim.read_scenario("train-digits", [*changes, "learning.lr=0.01"]))
    assert by_training([traces[0], other, traces[1]]) == [[0, 2], [1]]
    figure = draw(traces)
    curves = figure.axes[0]
    accuracies = np.array([trace.training["test_accuracy"] for trace in traces])
    (mean,) = (line for line in curves.lines if str(line.get_label()).startswith("test, mean of 2"))
    np.testing.assert_allclose(mean.get_ydata(), 100 * accuracies.mean(axis=0), rtol=1e-12)
    assert len(curves.lines) == 2 * (2 + 1)
    assert [axes.get_ylabel() for axes in figure.axes].count("accuracy (%)") == 1
    for trace in (*traces, other):
        trace.close()


def test_mean_and_standard_deviation() -> None:
    found = [
        {"test_accuracy": a, "test_loss": 0.5, "train_accuracy": np.nan, "train_loss": 0.25} for a in (0.9, 0.92, 0.94)
    ]
    assert averages([]) == {}
    assert [average.in_words(name) for name, average in averages(found).items()] == [
        "test accuracy 92.00 ± 2.00 % over 3 seeds",
        "test loss 0.5 ± 0 over 3 seeds",
        "training loss 0.25 ± 0 over 3 seeds",
    ]


def test_a_seed_that_fails_is_left_out_and_the_rest_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = {3}

    def diverging(scenario: Scenario, **words: Any) -> Trace:
        if scenario.seed in bad:
            raise RunFailed("training diverged at update 1", pcsim.run(scenario.alone()))
        return run_experiment(scenario, **words)

    monkeypatch.setattr("pcsim.runs.repetition.run_experiment", diverging)
    command = ["run", "train-digits", *(part for change in SHORT for part in ("--set", change))]
    assert call(command) == 0
    printed, errors = capsys.readouterr()
    assert "over 1 seed\n" in printed
    assert "left out, since it failed: seed 3" in printed
    assert errors == "error: seed 3: training diverged at update 1\n"
    bad.add(5)
    assert call([*command, "--force"]) == 1
    assert "error: all 2 seeds failed, the first: training diverged" in capsys.readouterr().err


def test_what_cannot_be_repeated(tmp_path: Path) -> None:
    scenario = pcsim.read_scenario("train-digits", SHORT)
    (tmp_path / "run-seed5.h5").touch()
    with pytest.raises(UsageError, match=r"run-seed5\.h5 exists"):
        run_seeds(scenario, path=tmp_path / "run.h5")
    assert not (tmp_path / "run-seed3.h5").exists()
    with pytest.raises(UsageError, match="no seeds are given"):
        run_seeds(pcsim.read_scenario("train-digits"), path=tmp_path / "run.h5")
    with pytest.raises(UsageError, match=r"use pcsim\.run_seeds"):
        pcsim.run(scenario)


def test_the_command_runs_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call(["run", "train-digits", *(part for change in SHORT for part in ("--set", change))]) == 0
    assert "over 2 seeds" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train-digits-seed3.h5", "train-digits-seed5.h5"]
    assert call(["run", "train-digits", "--set", SHORT[2], "--resume", "other.h5"]) == 2
    assert "there is nothing to resume: other-seed3.h5 does not exist" in capsys.readouterr().err


def test_a_repetition_that_was_broken_off_goes_on(tmp_path: Path) -> None:
    scenario = pcsim.read_scenario("train-digits", SHORT)
    whole = run_seeds(scenario, path=tmp_path / "whole.h5")
    with pytest.raises(Interrupted, match=r"go on by the same call with resume=\".*/run\.h5\"$") as caught:
        run_seeds(scenario, path=tmp_path / "run.h5", progress=interrupting(30, signal.SIGTERM))
    assert caught.value.exit_code == 143
    with pytest.raises(UsageError, match=r"run-seed3\.h5 exists"):
        run_seeds(scenario, path=tmp_path / "run.h5")
    parts = run_seeds(scenario, path=tmp_path / "run.h5", resume=True)
    for ours, theirs in zip(parts, whole, strict=True):
        assert_same_bits(ours, theirs)
    again = run_seeds(scenario, path=tmp_path / "run.h5", resume=True, progress=interrupting(0))
    assert again == parts  # all finished: nothing runs that could be interrupted
    other = pcsim.read_scenario("train-digits", [*SHORT, "learning.lr=0.1"])
    with pytest.raises(UsageError, match=r"run-seed3\.h5 is of another scenario"):
        run_seeds(other, path=tmp_path / "run.h5", resume=True)
