"""Training that is broken off, by Ctrl-C, a kill or a full disk, and goes on from its checkpoint."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import Interrupted, RunFailed, UsageError
from pcsim.report.findings import findings
from pcsim.runs.checkpoint import checkpoint_path, read_checkpoint, write_checkpoint
from pcsim.runs.provenance import describe_machine
from pcsim.scenario import Scenario, read_scenario
from pcsim.trace import Trace
from tests.support.covering import covering, sampled
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, UPDATES, assert_same_bits, interrupting, learned, only_line


@covering(update=[2 * UPDATES, 2 * UPDATES + 1], every=[1, 3])
def test_an_interrupted_training_goes_on_to_the_same_bits(
    files: Files, monkeypatch: pytest.MonkeyPatch, update: int, every: int
):
    monkeypatch.setattr("pcsim.learning.training.SECONDS", 0.0)  # a look after every update
    scenario = files.read(TRAINING, f"learning.checkpoint={every}", "learning.schedule={kind='cosine'}")
    pcsim.run(scenario, path="whole.h5").close()
    path = Path("s.h5")
    with pytest.raises(Interrupted) as caught:
        pcsim.run(scenario, path=path, progress=interrupting(update))
    assert str(caught.value) == (
        'interrupted after epoch 2; the trace up to there is in s.h5; go on by the same call with resume="s.h5"'
    )
    assert caught.value.exit_code == 130
    with caught.value.trace as trace:
        assert (trace.status, trace.rows, trace.attributes["epochs_trained"]) == ("interrupted", 0, 2)
        assert trace.training["update"][-1] == update
    with pcsim.run(scenario, resume=path) as trace:
        assert trace.status == "complete"
    assert_same_bits(path, "whole.h5")
    assert not checkpoint_path(path).exists()


def test_the_command_line_interrupts_and_resumes(
    files: Files, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    files.write(TRAINING)
    with monkeypatch.context() as patched:

        def run(*arguments: Any, **words: Any) -> Trace:
            return pcsim.run(*arguments, **words | {"progress": interrupting(UPDATES)})

        patched.setattr("pcsim.cli.run.run", run)
        line = only_line(capsys, ["run", "s.toml"], code=130)
    assert line.endswith("go on by the same command with --resume s.h5")
    assert call(["run", "s.toml", "--resume", "s.h5"]) == 0
    assert "trained 4 epochs, 88 updates in " in capsys.readouterr().out


def test_an_interruption_in_the_first_epoch_leaves_nothing_to_go_on_from(files: Files):
    scenario = files.read(TRAINING)
    with pytest.raises(Interrupted, match=r"^interrupted in epoch 1; the trace up to there is in s\.h5$"):
        pcsim.run(scenario, path="s.h5", progress=interrupting(1))
    with pytest.raises(UsageError, match=r"s\.h5 has no checkpoint"):
        pcsim.run(scenario, resume="s.h5")


def test_patience_is_remembered_over_an_interruption(files: Files):
    scenario = files.read(
        TRAINING, "learning.patience=2", "learning.lr=0.05", "learning.epochs=60", "data.validation=0.1"
    )
    pcsim.run(scenario, path="whole.h5").close()
    epochs = len(learned("whole.h5")["training/epoch"])
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting((epochs - 1) * 20))
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


def test_an_interruption_after_training_leaves_the_inference_to_do(files: Files):
    scenario = files.read(TRAINING)
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted) as caught:
        pcsim.run(scenario, path="s.h5", progress=interrupting(4 * UPDATES))
    assert str(caught.value) == (
        'interrupted after step 0; the trace up to there is in s.h5; go on by the same call with resume="s.h5"'
    )
    with caught.value.trace as trace:
        assert findings(trace) == []
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


CHILD = """
import os, signal, sys, threading, time
import pcsim

begun = []

def progress(update, last):
    if update > 44 and not begun:
        begun.append(update)
        threading.Timer(float(sys.argv[1]), os.kill, (os.getpid(), signal.SIGKILL)).start()
    time.sleep(0.02)

pcsim.run(pcsim.read_scenario("s.toml"), path="s.h5", progress=progress)
"""


@pytest.mark.parametrize("delay", sampled([0.0, 0.03, 0.08], ["0.03"]))
def test_a_killed_training_goes_on_to_the_same_bits(files: Files, delay: float):
    scenario = files.read(TRAINING.replace("epochs = 4", "epochs = 12"))
    pcsim.run(scenario, path="whole.h5").close()
    assert subprocess.run([sys.executable, "-c", CHILD, str(delay)], check=False).returncode == -signal.SIGKILL
    with pcsim.open_trace("s.h5") as trace:
        assert trace.status == "running"
        assert 2 <= len(trace.training["epoch"]) < 12
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")
    kept = ["s.h5", "s.h5.checkpoint", "s.toml", "whole.h5", "whole.h5.checkpoint"]
    assert sorted(path.name for path in files.folder.iterdir()) == kept


@pytest.fixture
def broken_off(files: Files) -> Scenario:
    scenario = files.read(TRAINING)
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting(UPDATES))
    return scenario


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--set", "learning.lr=0.5"], "s.h5.checkpoint is of another scenario: learning.lr is 0.01 there, 0.5 here;"),
        (["--seed", "9"], "s.h5.checkpoint is of another scenario: seed is 3 there, 9 here;"),
        (["--precision", "float64"], "s.h5.checkpoint is of another scenario: "),
        (["-o", "t.h5"], "--resume goes on in the trace it names; leave out -o and --force"),
        (["--resume", "none.h5"], "no trace at none.h5"),
        (["--resume", "s.toml"], "s.toml is not an HDF5 file"),
    ],
)
@pytest.mark.usefixtures("broken_off")
def test_what_cannot_be_resumed_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], line: str):
    before = Path("s.h5").read_bytes()
    assert line in only_line(capsys, ["run", "s.toml", "--resume", "s.h5", *arguments], code=2)
    assert Path("s.h5").read_bytes() == before


@pytest.mark.usefixtures("broken_off")
def test_a_trace_without_its_checkpoint_or_lesson_is_not_resumed(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TEXT, "other.toml")
    line = only_line(capsys, ["run", "other.toml", "--resume", "s.h5"], code=2)
    assert line == "s.h5 cannot be resumed: the scenario has no [learning], and inference starts anew"
    checkpoint_path(Path("s.h5")).unlink()
    line = only_line(capsys, ["run", "s.toml", "--resume", "s.h5"], code=2)
    assert line == "s.h5 has no checkpoint (s.h5.checkpoint); start anew with --force"


def test_other_versions_are_noted_in_the_summary(
    broken_off: Scenario, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):

    def newer(packages: tuple[str, ...]) -> dict[str, str]:
        return describe_machine(packages) | {"versions": "pcsim 9"}

    monkeypatch.setattr("pcsim.runs.training.describe_machine", newer)
    capsys.readouterr()
    assert call(["run", "s.toml", "--resume", "s.h5"]) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Resumed: ")]
    assert len(said) == 1
    assert said[0].endswith("this is pcsim 9: the last bits may differ.")


def test_a_finished_trace_is_not_resumed_and_a_new_one_takes_no_old_checkpoint(broken_off: Scenario):
    pcsim.run(broken_off, resume="s.h5").close()
    with pytest.raises(UsageError, match=r"^s\.h5 is complete: there is nothing to resume; to train its network"):
        pcsim.run(broken_off, resume="s.h5")
    checkpoint_path(Path("s.h5")).write_text("left behind")
    with pytest.raises(RunFailed):
        pcsim.run(read_scenario("s.toml", ["learning.lr=1e30"]), path="s.h5", force=True)
    assert not checkpoint_path(Path("s.h5")).exists()


def test_a_full_disk_at_a_checkpoint_keeps_the_previous_one(files: Files, monkeypatch: pytest.MonkeyPatch):
    scenario, written = files.read(TRAINING), list[int]()
    pcsim.run(scenario, path="whole.h5").close()

    def fill(descriptor: int, upto: int) -> bool:
        written.append(upto)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        return True

    with monkeypatch.context() as patched:
        patched.setattr("pcsim.runs.checkpoint.reserve", fill)
        with pytest.raises(RunFailed, match=r"could not be written .*; the previous one is whole"):
            pcsim.run(scenario, path="s.h5")
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


def test_a_checkpoint_of_another_run_is_not_gone_on_from(files: Files, broken_off: Scenario):
    """As where a forced run was killed between the appearance of its trace and the removal of the old checkpoint."""
    checkpoint = checkpoint_path(Path("s.h5")).read_bytes()
    with pytest.raises(Interrupted):
        pcsim.run(broken_off, path="s.h5", force=True, progress=interrupting(1))
    checkpoint_path(Path("s.h5")).write_bytes(checkpoint)
    with pytest.raises(UsageError, match=r"s\.h5\.checkpoint is of another run than s\.h5, which has begun anew since"):
        pcsim.run(broken_off, resume="s.h5")
    (files.folder / "s.h5").unlink()
    pcsim.run(broken_off, resume="s.h5").close()
    assert len(learned("s.h5")["training/epoch"]) == 3


@pytest.mark.parametrize("epochs", [2, 4])
def test_training_goes_on_from_its_checkpoint_alone(files: Files, capsys: pytest.CaptureFixture[str], epochs: int):
    scenario = files.read(TRAINING)
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting(epochs * UPDATES))
    Path("s.h5").unlink()
    assert call(["run", "s.toml", "--resume", "s.h5"]) == 0
    assert "trained 4 epochs, 88 updates in " in capsys.readouterr().out
    ours, theirs = learned("s.h5"), learned("whole.h5")
    for name in ("training/update", "training/energy", "training/test_loss", "training/cosine"):
        np.testing.assert_array_equal(ours[name], theirs[name][len(theirs[name]) - len(ours[name]) :])
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs if name.startswith("final"))
    assert call(["plot", "s.h5"]) == 0


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_checkpoint_that_a_kill_left_beside_a_finished_trace(files: Files, schedule: str):
    words = ["learning.schedule={kind='cosine'}"] if schedule == "cosine" else []
    scenario = files.read(TRAINING, *words)
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting(3 * UPDATES))
    checkpoint = checkpoint_path(Path("s.h5")).read_bytes()
    pcsim.run(scenario, resume="s.h5").close()
    checkpoint_path(Path("s.h5")).write_bytes(checkpoint)
    with pytest.raises(UsageError, match="there is nothing to resume"):
        pcsim.run(scenario, resume="s.h5")
    assert checkpoint_path(Path("s.h5")).exists() == (schedule == "constant")
    if schedule == "constant":  # more epochs go on from where it stands
        longer = files.read(TRAINING, "learning.epochs=5")
        pcsim.run(longer, path="whole.h5").close()
        pcsim.run(longer, resume="s.h5").close()
        assert_same_bits("s.h5", "whole.h5")


def test_older_checkpoints_and_traces_say_of_no_run(broken_off: Scenario):
    pcsim.run(broken_off, path="whole.h5").close()
    without_run_id(Path("s.h5"))
    pcsim.run(broken_off, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


def without_run_id(trace: Path) -> None:
    """Make a trace and its checkpoint as they were before they said of which run they are."""
    with h5py.File(trace, "r+") as file:
        del file.attrs["run_id"]
    old = replace(read_checkpoint(checkpoint_path(trace)), run_id="")
    write_checkpoint(checkpoint_path(trace), old)


@pytest.mark.usefixtures("broken_off")
def test_a_training_that_was_broken_off_has_a_figure_and_no_inference(files: Files, capsys: pytest.CaptureFixture[str]):
    assert "its run ended before it (status interrupted)" in only_line(capsys, ["replay", "s.h5"], code=2)
    assert "holds no rows of inference" in only_line(capsys, ["replay", "s.h5", "--verify"], code=2)
    assert call(["plot", "s.h5"]) == 0
    pcsim.run(read_scenario("s.toml"), resume="s.h5").close()
    assert call(["plot", "s.h5", "-o", "s.svg"]) == 0
    drawn = (files.folder / "s.svg").read_text()
    assert "accuracy (%)</text>" in drawn
    assert "inference step</text>" in drawn
