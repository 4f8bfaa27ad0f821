"""Evaluating a network on the data of its scenario: the numbers, the ways to name other data, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import pcsim
from pcsim.cli.call import call
from pcsim.datasets import load_dataset
from pcsim.errors import UsageError
from tests.support.covering import sampled
from tests.support.scenario_files import Files
from tests.support.training_files import TRAINING, only_line

LEARNING = ("learning.epochs=1", "data.validation=0.2")


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.chdir(tmp_path)
    files = Files(tmp_path)
    pcsim.run(files.read(TRAINING, *LEARNING), path="t.h5").close()
    with pcsim.open_trace("t.h5") as trace:
        pcsim.export_weights(trace, "w.npz")
        pcsim.export_weights(trace, "w.safetensors")
    return files


def forward(path: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Outputs of the exported network: one hidden GELU layer."""
    from scipy.special import ndtr

    with np.load(path) as w:
        p = x @ w["W0"].astype(float) + w["b0"]
        return (p * ndtr(p)) @ w["W1"].astype(float) + w["b1"]


def measures(outputs: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float, float]:
    """Cross-entropy, accuracy and top-5 accuracy."""
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    best = np.argsort(-outputs, axis=1)
    hits = best == labels[:, None]
    return -logs[np.arange(len(labels)), labels].mean(), hits[:, 0].mean(), hits[:, :5].any(axis=1).mean()


@pytest.mark.parametrize("source", ["w.npz", "w.safetensors", "t.h5"])
def test_the_scores_are_those_of_a_forward_pass(files: Files, source: str):
    digits = load_dataset("digits")
    assert digits.x_test is not None
    assert digits.y_test is not None
    loss, accuracy, top_5 = measures(forward("w.npz", digits.x_test.reshape(-1, 64)), digits.y_test)
    scores = pcsim.evaluate(source)
    assert scores.test is not None
    assert scores.validation is not None
    assert (scores.training.samples, scores.validation.samples, scores.test.samples) == (1150, 287, 360)
    assert scores.test.loss == pytest.approx(loss, rel=1e-5)
    assert (scores.test.accuracy, scores.test.top_5) == (accuracy, top_5)


def test_the_scores_are_those_that_training_measured(files: Files):
    scores = pcsim.evaluate("t.h5")
    assert scores.test is not None
    assert scores.validation is not None
    with pcsim.open_trace("t.h5") as trace:
        for part, score in (("test", scores.test), ("validation", scores.validation)):
            assert trace.training[f"{part}_loss"][-1] == pytest.approx(score.loss, rel=1e-6)
            assert trace.training[f"{part}_accuracy"][-1] == score.accuracy
        assert pcsim.evaluate(trace) == scores


@pytest.mark.parametrize("precision", sampled(["float32", "bfloat16"], ["bfloat16"]))
def test_backends_agree(files: Files, precision: str):
    off = {"float32": 1e-5, "bfloat16": 0.05}[precision]
    ours, theirs = pcsim.evaluate("w.npz"), pcsim.evaluate("w.npz", backend="jax", precision=precision)
    assert theirs.training.loss == pytest.approx(ours.training.loss, rel=off)
    assert theirs.training.accuracy == pytest.approx(ours.training.accuracy, abs=off)


def test_other_data_by_override(files: Files):
    draw = np.random.default_rng(0)
    x, labels = draw.normal(size=(40, 64)), np.arange(40) % 10
    np.savez("other.npz", x=x, y=labels)
    scores = pcsim.evaluate("w.safetensors", ["data.name=npz", "data.file=other.npz", "data.validation=0"])
    assert (scores.validation, scores.test) == (None, None)
    loss, accuracy, top_5 = measures(forward("w.npz", x), labels)
    assert scores.training.samples == 40
    assert scores.training.loss == pytest.approx(loss, rel=1e-5)
    assert (scores.training.accuracy, scores.training.top_5) == (accuracy, top_5)


def test_what_is_no_class_has_no_accuracy(files: Files, capsys: pytest.CaptureFixture[str]):
    np.savez("line.npz", W0=np.array([[-1.0]]), b0=np.array([0.0]))
    files.write(
        TRAINING.replace("[64, 12, 10]", "[1, 1]")
        .replace("digits", "gaussian-line")
        .replace("cross-entropy", "squared-error")
    )
    scores = pcsim.evaluate("line.npz", scenario="s.toml")
    assert (scores.training.accuracy, scores.training.top_5) == (None, None)
    assert scores.training.loss == 0.0
    assert call(["eval", "line.npz", "--scenario", "s.toml"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["data      samples  loss", "training    1,024     0"]


def test_the_command_prints_one_table(files: Files, capsys: pytest.CaptureFixture[str]):
    assert call(["eval", "w.npz"]) == 0
    source, header, *rows = capsys.readouterr().out.splitlines()
    assert source.endswith("float32 on numpy")
    assert header.split() == ["data", "samples", "loss", "accuracy", "top-5"]
    assert [row.split()[:2] for row in rows] == [["training", "1,150"], ["validation", "287"], ["test", "360"]]
    assert call(["eval", "w.npz", "--set", "network.widths=[64,13,10]"]) == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["none.npz"], "none.npz: no such file; needed is a trace, or an .npz or .safetensors file with weights"),
        (["bare.npz"], "bare.npz: holds no scenario, only weights; name the scenario they are of with --scenario"),
        (
            ["w.npz", "--set", "network.widths=[64,13,10]"],
            "w.npz: array W0 has shape (64, 12), this network needs (64, ",
        ),
        (
            ["t.h5", "--set", "network.widths=[64,13,10]"],
            "t.h5: W_0 has shape (64, 12), the network and batch need (64",
        ),
        (
            ["t.h5", "--set", "network.bias=false"],
            "t.h5: b_0 has no place in the network of its scenario, which has 2 ",
        ),
        (["w.npz", "--set", "data.name=npz", "--set", "data.file=gone.npz"], "--set data.file=gone.npz: "),
        (["w.npz", "--set", "data.name=mnist1d"], "scenario in w.npz:5:1: network.widths: the first width is 64, but "),
        (
            ["w.npz", "--set", "data.nme=mnist1d"],
            "--set data.nme=mnist1d: unknown key 'nme' in [data]; did you mean 'name'?",
        ),
        (
            ["w.npz", "--backend", "exact"],
            "--backend exact: backend 'exact' cannot evaluate on data sets; ",
        ),
        (
            ["w.npz", "--precision", "float16"],
            "--precision float16: numpy trains in float32 and float64; use ",
        ),
    ],
)
def test_what_cannot_be_evaluated_is_one_line(
    files: Files, capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
):
    np.savez("bare.npz", W0=np.ones((2, 2)))
    assert only_line(capsys, ["eval", *arguments], code=2).startswith(line)


def test_missing_data_names_the_way_out(files: Files):
    with pytest.raises(UsageError) as caught:
        pcsim.evaluate("w.npz", ["data.name=npz", "data.file=gone.npz"])
    assert str(caught.value).endswith("; an override of data.file or data.name takes other data")


def test_labels_that_an_input_was_inferred_from_are_no_answers(files: Files):
    # pcsim.evaluate would otherwise find every label in the output that was clamped to it.
    text = TRAINING.split("\n[learning]")[0]
    scores = pcsim.evaluate("w.npz", ["inference.input=free"], scenario=files.write(text, "free.toml"))
    assert scores.test is not None
    assert (scores.test.accuracy, scores.test.top_5) == (None, None)
