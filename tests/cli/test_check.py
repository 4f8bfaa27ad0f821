"""What `pcsim check` tells of several runs: how many there are, how long they take, which of them trains."""

from collections.abc import Callable
from pathlib import Path

import pytest

from pcsim.cli.call import call
from pcsim.studies import Work, work_of

BASE = """
[network]
widths = [64, 16, 16, 10]
activation = "tanh"
[data]
name = "digits"
batch = 4
[inference]
method = "backprop"
loss = "squared-error"
"""
LEARNING = """
[learning]
rule = "backprop"
epochs = 1
batch = 64
"""
SWEEP = """
[sweep]
inference = [{ method = "state", steps = 9 }, { method = "error", steps = 3 }]
"""
ONCE = """
[trace]
record = ["states"]
[study]
kind = "distance-to-rest"
"""

Check = Callable[[str], list[str]]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    """Return what says of a text what is checked, where inference is said to take 2 s and training 90 s."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pcsim.runs.simulation.Simulation.training_seconds", 90.0)
    monkeypatch.setattr("pcsim.runs.simulation.Simulation.seconds", 100.0)

    def checked(text: str) -> list[str]:
        Path("s.toml").write_text(text)
        assert call(["check", "s.toml"]) == 0
        return [line.strip() for line in capsys.readouterr().out.splitlines()]

    return checked


def test_a_sweep_is_timed_as_a_whole(check: Check) -> None:
    lines = check(BASE + SWEEP)
    assert "study      energies, 2 runs; some 3 min here, one after another" in lines
    lines = check(BASE + LEARNING + SWEEP)
    assert "study      energies, 2 runs; some 3 min here, one after another" in lines
    (training,) = (line for line in lines if line.startswith("training"))
    assert training.startswith("training   pc,")
    assert training.endswith("; some 90 s here, the first of the runs")


def test_a_study_that_trains_once_tells_of_that_training(check: Check) -> None:
    lines = check(BASE + LEARNING + ONCE + SWEEP)
    (training,) = (line for line in lines if line.startswith("training"))
    assert training.startswith("training   backprop,")
    assert training.endswith("; once, some 90 s here")
    assert "study      distance-to-rest, 2 runs" in lines


def test_a_search_has_trials(check: Check) -> None:
    search = '[search]\ntrials = 7\nmetric = "final_energy"\ninference.method = ["backprop", "error"]\n'
    assert "study      search, 7 trials" in check(BASE.replace('"backprop"', '"error"') + search)


def test_what_kinds_do_with_their_runs() -> None:
    assert [work_of(kind) for kind in ("energies", "convergence", "forward-pass")] == [Work.RUNS, Work.ONCE, Work.OTHER]
