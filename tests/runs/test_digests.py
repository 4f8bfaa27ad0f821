"""Data and weights are those of before: a run that goes on refuses others, evaluation and verification say so."""

import json
import shutil
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import Interrupted, UsageError
from pcsim.runs.checkpoint import checkpoint_path
from pcsim.scenario import runs_of
from tests.support.npz_files import LEARNING, OWN, samples, save, write
from tests.support.scenario_files import Files
from tests.support.training_files import interrupting, only_line

CHANGES = {
    "labels shuffled": {"y": samples()["y"][::-1]},
    "fewer samples": {"x": samples()["x"][:16], "y": samples()["y"][:16]},
    "one bit": {"x": np.nextafter(samples()["x"], 9.0)},
    "other tests": {"x_test": samples(seed=1)["x"]},
}


def broken_off(files: Files, text: str = OWN + LEARNING, *changes: str) -> None:
    """Train up to a checkpoint."""
    with pytest.raises(Interrupted):
        pcsim.run(files.read(text, *changes), path="t.h5", progress=interrupting(3))


def without_digest(path: str) -> None:
    """Make a trace one from before there were digests, with the path that those held."""
    with h5py.File(path, "r+") as file:
        held = file["provenance"].attrs
        del held["data_sha256"], held["folder"]
        held["scenario"] = str(held["scenario"]).replace('"own.npz"', f'"{Path("own.npz").absolute()}"')


@pytest.mark.parametrize("change", CHANGES)
def test_training_does_not_go_on_with_other_data(files: Files, change: str, capsys: pytest.CaptureFixture[str]):
    write()
    broken_off(files)
    write(**CHANGES[change])
    line = only_line(capsys, ["run", "s.toml", "--resume", "t.h5"], code=2)
    assert line.startswith("t.h5.checkpoint was made with other data (SHA-256 ")
    assert line.endswith("; bring those back, or start anew with another name (-o)")
    write()
    assert call(["run", "s.toml", "--resume", "t.h5", "--quiet"]) == 0


def test_training_does_not_go_on_from_other_weights(files: Files, capsys: pytest.CaptureFixture[str]):
    write()
    weights = {"W0": np.ones((4, 6)), "b0": np.ones(6), "W1": np.ones((6, 3)), "b1": np.ones(3)}
    save("w.npz", weights)
    broken_off(files, OWN + LEARNING, "network.weights=w.npz")
    save("w.npz", weights | {"b1": np.zeros(3)})
    again = ["run", "s.toml", "--set", "network.weights=w.npz", "--resume", "t.h5"]
    assert "t.h5.checkpoint was made with other weights (SHA-256 " in only_line(capsys, again, code=2)


def test_a_folder_that_moved_as_a_whole_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "old").mkdir()
    monkeypatch.chdir(tmp_path / "old")
    write()
    broken_off(Files(tmp_path / "old"))
    Path("../old").rename("../new")
    monkeypatch.chdir("../new")
    with pcsim.run(pcsim.read_scenario("s.toml"), resume="t.h5") as trace:
        assert trace.status == "complete"
        assert 'file = "own.npz"' in trace.provenance["scenario"]
    assert pcsim.evaluate("t.h5").training.samples == 24


def test_a_checkpoint_without_digests_goes_on_and_says_so(files: Files, capsys: pytest.CaptureFixture[str]):
    write()
    broken_off(files)
    path = checkpoint_path(Path("t.h5"))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile("new", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "checkpoint.json":
                head = json.loads(content)
                del head["origin"]["data_sha256"], head["origin"]["weights_sha256"]
                scenario = head["origin"]["scenario"]
                head["origin"]["scenario"] = scenario.replace('"own.npz"', f'"{Path("own.npz").absolute()}"')
                content = json.dumps(head).encode()
            new.writestr(name, content)
    Path("new").replace(path)
    assert call(["run", "s.toml", "--resume", "t.h5"]) == 0
    assert "Resumed: t.h5.checkpoint holds no digest of its data" in capsys.readouterr().out


def test_finished_seeds_of_other_data_are_not_taken(files: Files, capsys: pytest.CaptureFixture[str]):
    write()
    files.write(OWN + LEARNING + "seeds = [0, 1]\n")
    assert call(["run", "s.toml", "-o", "t.h5", "--quiet"]) == 0
    write(**CHANGES["one bit"])
    line = only_line(capsys, ["run", "s.toml", "--resume", "t.h5"], code=2)
    assert line.startswith("t-seed0.h5 was made with other data (SHA-256 ")


@pytest.mark.parametrize("file", ["t.h5", "w.npz"])
def test_evaluation_reads_the_data_of_the_run_alone(files: Files, file: str, capsys: pytest.CaptureFixture[str]):
    write()
    with pcsim.run(files.read(OWN + LEARNING), path="t.h5") as trace:
        pcsim.export_weights(trace, "w.npz")
    own = Path("own.npz").absolute()
    assert call(["eval", file]) == 0
    assert capsys.readouterr().err == f"note: reading data.file = {own}, which {file} names\n"
    write(**CHANGES["labels shuffled"])
    assert call(["eval", file]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"note: reading data.file = {own}, which {file} names"
    assert second.startswith(
        f"error: scenario in {file}: data.file = {own} holds other data than the run read (SHA-256 "
    )
    assert call(["eval", file, "--set", "data.file=own.npz"]) == 0
    assert f"note: these are other data than those of {file} (SHA-256 " in capsys.readouterr().err


def test_verification_says_that_the_data_have_changed(files: Files, capsys: pytest.CaptureFixture[str]):
    write()
    pcsim.run(files.read(OWN), path="t.h5").close()
    assert call(["replay", "--verify", "t.h5"]) == 0
    own = Path("own.npz").absolute()
    assert capsys.readouterr().err == f"note: reading data.file = {own}, which t.h5 names\n"
    write(**CHANGES["fewer samples"])
    assert call(["replay", "--verify", "t.h5"]) == 0
    assert f"note: the samples are those in t.h5; {own} now holds others (SHA-256 " in capsys.readouterr().out
    own.unlink()
    assert call(["replay", "--verify", "t.h5"]) == 0
    assert "note: the samples are those in t.h5; their file cannot be read: " in capsys.readouterr().out


def test_traces_without_digests_are_evaluated_and_said_to_be(files: Files, capsys: pytest.CaptureFixture[str]):
    write()
    pcsim.run(files.read(OWN + LEARNING), path="t.h5").close()
    without_digest("t.h5")
    assert call(["eval", "t.h5"]) == 0
    assert "note: t.h5 holds no digest of its data: that these are the same cannot be said" in capsys.readouterr().err
    assert call(["replay", "--verify", "t.h5"]) == 0


def test_a_scenario_in_a_trace_reads_no_other(files: Files, capsys: pytest.CaptureFixture[str]):
    write()
    pcsim.run(files.read(OWN), path="t.h5").close()
    with h5py.File("t.h5", "r+") as file:
        held = file["provenance"].attrs
        held["scenario"] = 'extends = "s.toml"\n' + str(held["scenario"])
    for command in (["eval", "t.h5"], ["replay", "--verify", "t.h5"], ["learn", "t.h5"], ["inspect", "t.h5"]):
        assert "scenario in t.h5: extends names another file, which" in only_line(capsys, command, code=2)


def test_the_traces_of_a_comparison_know_their_partner(files: Files):
    write()
    with pcsim.compare(files.read(OWN), precision=["float32", "float64"], folder="c"):
        pass
    name, partner = Path("c/numpy-float32-standard.h5"), Path("c/numpy-float64-standard.h5")
    with pcsim.open_trace(name) as trace:
        assert len(trace.attributes["shared_sha256"]) == 64
        assert pcsim.verify(trace).agrees
    write(**CHANGES["one bit"])
    pcsim.run(files.read(OWN), precision="float64", path=partner, force=True).close()
    with pcsim.open_trace(name) as trace, pytest.raises(UsageError, match=r"left to .*float64.* gone or another one"):
        pcsim.verify(trace)
    shutil.move(name, "alone.h5")
    with pcsim.open_trace("alone.h5") as trace, pytest.raises(UsageError, match="which is gone or another one"):
        pcsim.verify(trace)


@pytest.mark.parametrize(
    "sweep", ['data.file = ["own.npz", "two.npz"]', 'data = [{ file = "own.npz" }, { file = "two.npz" }]']
)
def test_files_of_a_sweep_start_from_the_folder_of_the_scenario(tmp_path: Path, sweep: str):
    folder = Files(tmp_path)
    folder.write(f"{OWN}[sweep]\n{sweep}\n")
    runs = runs_of(pcsim.read_scenario(tmp_path / "s.toml"))
    assert [run.scenario.data.file for run in runs] == [tmp_path / "own.npz", tmp_path / "two.npz"]
