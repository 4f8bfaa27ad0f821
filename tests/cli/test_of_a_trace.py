"""What a trace is good for beside being looked at: its scenario, its weights, and what its network answers."""

from pathlib import Path

import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, assert_same_bits, only_line

SHORT = TEXT.replace("steps = 20", "steps = 3")


@pytest.fixture
def trained(files: Files) -> Path:
    pcsim.run(files.read(TRAINING), path="s.h5").close()
    return Path("s.h5")


@pytest.mark.usefixtures("trained")
def test_a_trace_is_a_scenario(capsys: pytest.CaptureFixture[str]):
    assert call(["show", "s.h5", "--set", "learning.epochs=1"]) == 0
    text = capsys.readouterr().out
    assert "epochs = 1" in text
    assert 'title = "A small one"' in text
    assert call(["check", "s.h5"]) == 0
    assert call(["run", "s.h5", "-o", "again.h5", "--quiet"]) == 0
    assert_same_bits("s.h5", "again.h5")
    assert call(["run", "s.h5", "-o", "other.h5", "--quiet", "--seed", "9"]) == 0
    with pcsim.open_trace("other.h5") as other:
        assert other.attributes["seed"] == 9
    assert only_line(capsys, ["run", "s.h5"], code=2).startswith("s.h5 exists; choose another name with -o")


@pytest.mark.usefixtures("trained")
def test_the_weights_of_a_trace_are_those_after_training(files: Files):
    with pcsim.open_trace("s.h5") as trace:
        learned = trace.trained
    scenario = files.read(SHORT.replace("[64, 32, 32, 10]", "[64, 12, 10]"), "network.weights=s.h5")
    with pcsim.run(scenario) as again:
        assert all(np.array_equal(again.network[name], learned[name]) for name in learned)
        assert "weights_sha256" in again.provenance
        assert pcsim.verify(again).agrees
    with pytest.raises(UsageError, match=r"s\.h5: array W0 has shape \(64, 12\), this network needs \(64, 16\)"):
        pcsim.run(files.read(SHORT.replace("[64, 32, 32, 10]", "[64, 16, 10]"), "network.weights=s.h5"))


def test_training_that_has_not_ended_has_no_weights(files: Files, trained: Path):
    import h5py

    with h5py.File(trained, "r+") as file:
        del file["final/network"]
    with pytest.raises(UsageError, match=r"holds no trained parameters; pcsim export writes"):
        pcsim.run(files.read(TRAINING, "network.weights=s.h5"))


@pytest.mark.usefixtures("trained")
def test_answers_and_confusions(capsys: pytest.CaptureFixture[str]):
    capsys.readouterr()
    assert call(["eval", "s.h5", "--predictions", "p.npz", "--confusion"]) == 0
    lines = capsys.readouterr().out.splitlines()
    accuracy = pcsim.evaluate("s.h5").test
    assert accuracy is not None
    with np.load("p.npz") as found:
        assert found["test_answers"].shape == (360, 10)
        right = found["test_predicted"] == found["test_actual"]
        assert right.mean() == pytest.approx(accuracy.accuracy)
        np.testing.assert_array_equal(np.argmax(found["test_answers"], axis=1), found["test_predicted"])
        table = lines[lines.index(next(line for line in lines if line.startswith("test samples by class"))) + 2 :][:10]
        for label, line in enumerate(table):
            counts = [0 if word == "·" else int(word) for word in line.split()[1:]]
            both = np.bincount(found["test_predicted"][found["test_actual"] == label], minlength=10)
            assert counts == both.tolist()
    assert lines[-1] == "predictions: p.npz"
    assert "p.npz exists" in only_line(capsys, ["eval", "s.h5", "--predictions", "p.npz"], code=2)
    assert "written as .npz" in only_line(capsys, ["eval", "s.h5", "--predictions", "p.csv"], code=2)


@pytest.mark.parametrize(
    ("words", "expected", "missing"),
    [
        (["run", "signal-"], {"plain,signal-decay", "file,signal-"}, "plain,deep-linear"),
        (
            ["run", "signal-decay", "--set", "inference.st"],
            {"plain,inference.step_size=", "plain,inference.steps="},
            "",
        ),
        (["compare", "mupc-1"], {"plain,mupc-128"}, "plain,signal-decay"),
    ],
)
def test_a_shell_completes_scenarios_and_keys(
    words: list[str],
    expected: set[str],
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    monkeypatch.setenv("_PCSIM_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", " ".join(["pcsim", *words]))
    monkeypatch.setenv("COMP_CWORD", str(len(words)))
    assert call([]) == 0
    found = set(capsys.readouterr().out.split())
    assert expected <= found
    assert missing not in found
