"""Samples that fill no batch are counted where a user looks."""

import h5py
import pytest

from pcsim.cli.call import call
from tests.support.npz_files import LEARNING, OWN, samples, write
from tests.support.scenario_files import Files

RUN, CHECK = ["run", "s.toml", "-o", "t.h5", "--force"], ["check", "s.toml"]


@pytest.mark.parametrize(("shuffle", "which"), [("true", "others each time"), ("false", "always the last")])
def test_a_partial_batch_is_said(files: Files, capsys: pytest.CaptureFixture[str], shuffle: str, which: str):
    write(**samples(103))
    files.write(OWN + LEARNING.replace("batch = 8", "batch = 64") + f"shuffle = {shuffle}\n")
    assert call(CHECK) == 0
    line = "  left out   39 of 103 training samples in every epoch: they fill no batch of 64\n"
    assert line in capsys.readouterr().out
    assert call(RUN) == 0
    line = f"every epoch leaves out 39 of 103 training samples, {which}: they fill no batch of 64\n"
    assert line in capsys.readouterr().out


def test_whole_batches_and_older_traces_say_nothing(files: Files, capsys: pytest.CaptureFixture[str]):
    write()
    files.write(OWN + LEARNING)
    assert call([*CHECK]) == call(RUN) == 0
    assert "left out" not in (out := capsys.readouterr().out)
    assert "leaves out" not in out
    with h5py.File("t.h5", "r+") as file:
        for name in ("left_out", "training_samples", "shuffled"):
            del file.attrs[name]
    assert call(["replay", "t.h5"]) == 0


def test_a_last_batch_that_is_short_is_said(files: Files, capsys: pytest.CaptureFixture[str]):
    write(**samples(103))
    files.write(OWN + LEARNING.replace("batch = 8", "batch = 64") + "drop_last = false\n")
    assert call(CHECK) == 0
    out = capsys.readouterr().out
    assert "3 epochs, 6 updates of 64 samples" in out
    assert "  last batch 39 samples in every epoch: all others have 64\n" in out
    assert call(RUN) == 0
    line = "the last batch of every epoch is short: 39 samples, where all others have 64\n"
    assert line in capsys.readouterr().out
