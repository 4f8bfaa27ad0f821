"""Training runs that pages of figures are made of: what is kept of a run, and that it is not done twice."""

from pathlib import Path

import pytest

from tools.studies import trials

WORDS = ("learning.epochs=2", "data.samples=256", "learning.batch=64")


def test_what_pages_tell_of_a_run_is_kept_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "KEPT", tmp_path)
    monkeypatch.setattr(trials, "LAST_LOSSES", 3)
    trial = trials.Trial("train-digits", WORDS, seed=2)
    assert trials.kept_outcome(trial) is None
    found = trials.outcome(trial)
    assert len(found["test_accuracy"]) == len(found["test_loss"]) == 2
    assert len(found["loss"]) == 3
    assert all(moved > 0 for moved in found["moved"])
    assert found["failure"] is None

    monkeypatch.setattr(trials.pcsim, "run", None)
    assert trials.kept_outcome(trial) == found == trials.outcome(trial)
    assert trials.kept_outcome(trials.Trial("train-digits", (*WORDS, "learning.clip=1"), seed=2)) is None
