"""Searches: what is drawn, stopped early, and gone on with; a quadratic hidden in a backend is found."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pcsim_numpy import NumpyBackend

import pcsim
from pcsim.cli.call import call
from pcsim.engine.backend import Settled, Task
from pcsim.errors import ScenarioError
from pcsim.scenario import parse_scenario, read_scenario, scenario_text
from pcsim.studies import results_of
from pcsim.studies.file import rows_of_trace
from pcsim.trace import Block

pytest.importorskip("optuna")

BEST = {"step_size": 0.02, "momentum": 0.3}
QUADRATIC = """
[network]
widths = [3, 2, 3]
activation = "linear"
[data]
name = "npz"
file = "tiny.npz"
batch = 1
[inference]
method = "state"
loss = "squared-error"
optimizer = "momentum"
steps = 1
[trace]
record = ["energy"]
[backend]
name = "quadratic"
[search]
trials = 60
metric = "final_energy"
inference.step_size = { low = 1e-3, high = 0.5, log = true }
inference.momentum = { low = 0.01, high = 0.9, log = true }
"""
TRAINING = """
[network]
widths = [64, 8, 10]
activation = "tanh"
[data]
name = "digits"
samples = 96
validation = 0.2
batch = 4
[inference]
method = "error"
loss = "squared-error"
steps = 2
step_size = 0.1
[learning]
batch = 32
epochs = 4
[search]
trials = 8
pruner = "hyperband"
metric = "validation_loss"
learning.lr = { low = 1e-6, high = 1e-2, log = true }
learning.optimizer = ["adam", "sgd"]
"""


class Quadratic(NumpyBackend):
    """A backend whose energies are a quadratic in the logarithms of step size and momentum, whatever the network."""

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        stepper: Any = task.descent.stepper
        apart = [np.log(getattr(stepper, name) / best) for name, best in BEST.items()]

        def hidden(block: Block) -> None:
            energy = block.array("energy")
            sink(replace(block, energy=np.full_like(energy, (1 + np.square(apart).sum()) / energy.shape[1])))

        return super().settle(task, hidden, poll)


@pytest.fixture
def quadratic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    np.savez("tiny.npz", x=np.eye(3), y=np.arange(3))
    pcsim.register("backend", "quadratic", Quadratic)
    return QUADRATIC


@pytest.mark.exhaustive
def test_tpe_finds_the_optimum_within_5_per_cent_of_the_ranges(quadratic: str) -> None:
    with pcsim.run(parse_scenario(quadratic)) as trace:
        best = pcsim.results(trace).groups()[0].values
    for key, low, high in (("step_size", 1e-3, 0.5), ("momentum", 0.01, 0.9)):
        off = abs(np.log(best[f"inference.{key}"] / BEST[key])) / np.log(high / low)
        assert off < 0.05, (key, best)


def test_a_resumed_search_repeats_no_trial(quadratic: str, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(over: float, of: float) -> None:
        if over == 5:
            raise SystemExit("enough")

    scenario = parse_scenario(quadratic, overrides="search.trials=8")
    with pytest.raises(SystemExit):
        pcsim.run(scenario, path="s.h5", progress=fail)
    with pcsim.open_trace("s.h5") as trace:
        begun = rows_of_trace(trace)
    with pcsim.run(scenario, resume="s.h5") as trace:
        rows = rows_of_trace(trace)
        assert results_of(trace)["trial"].values.tolist() == list(range(8))
    assert [row.seconds for row in rows[:5]] == [row.seconds for row in begun]
    assert len({row.key for row in rows}) == len({str(row.values) for row in rows}) == 8
    Path("s.toml").write_text(quadratic)
    assert call(["run", "s.toml"]) == 2
    Path("s.h5").unlink()
    assert call(["run", "s.toml"]) == 2
    assert "s.h5.optuna holds trials of a search; go on with --resume" in capsys.readouterr().err


def test_hyperband_stops_what_is_behind_and_the_best_is_ready_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.toml").write_text(TRAINING)
    assert call(["run", "s.toml"]) == 0
    assert "validation loss" in capsys.readouterr().out
    with pcsim.open_trace("s.h5") as trace:
        found = {name: each.values for name, each in results_of(trace).items()}
    epochs, early = np.isfinite(found["curve"]).sum(axis=1), found["pruned"].astype(bool)
    assert 0 < early.sum() < 8
    assert (epochs[early] < 4).all()
    assert (epochs[~early] == 4).all()
    assert found["validation_loss"].argmin() not in np.flatnonzero(early)
    assert call(["plot", "s.h5"]) == 0
    assert call(["results", "s.h5", "--scenario", "best.toml"]) == 0
    best = read_scenario("best.toml")
    assert best.asks_for is None
    assert best.learning is not None
    assert best.learning.lr == pytest.approx(pcsim.results("s.h5").groups()[0].values["learning.lr"], rel=0)


RANGE = "learning.lr = { low = 1e-6, high = 1e-2, log = true }"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (RANGE, "learning.lrr = [1, 2]", r"22:10: unknown key 'lrr' in \[search.learning\]; did you mean 'lr'"),
        (RANGE, "learning.lr = { low = 0.1, high = 0.1 }", r"22:15: search.learning.lr: .* give .* low below high"),
        (RANGE, "learning.lr = { low = -1, high = 1, log = true }", r"22:15: .* above 0 where log is true"),
        (RANGE, "learning.lr = { low = -1, high = 1 }", r"22:1\d: search.learning.lr = -1: -1 is not allowed"),
        (RANGE, "learning.lr = 3", r"22:15: search.learning.lr: 3 is not allowed; give a list of values, or a range"),
        (RANGE, "trails = 3", r"22:1: unknown key 'trails' in \[search\]; did you mean 'trials'"),
        ("validation_loss", "loss", r"21:10: search.metric: \"loss\" is not allowed; .*[Gg]ive one of validation_acc"),
        ("validation = 0.2", "", r"21:1: .* needs samples that are held out; write validation = 0.1 in \[data\]"),
        ("[search]", "[sweep]\nseed = [0, 1]\n[search]", r"search.trials does not go with \[sweep\]"),
        ("[search]", '[study]\nkind = "energies"\n[search]', r'does not go with study.kind = "energies"'),
        ("validation_loss", "final_energy", r'search.pruner = "hyperband" goes by a number of every epoch'),
        (TRAINING[TRAINING.index("[search]") :], '[study]\nkind = "search"', r"\[search\], which is missing"),
    ],
)
def test_mistakes_are_one_line_each(old: str, new: str, line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        parse_scenario(TRAINING.replace(old, new))
    assert len(error.value.problems) == 1
    assert re.search(line, error.value.problems[0]), error.value.problems[0]


def test_what_is_written_reads_as_the_same_search() -> None:
    scenario = parse_scenario(TRAINING)
    assert parse_scenario(scenario_text(scenario)) == scenario
