"""Training from scenario files: what a trace holds, early stopping, divergence, and going on after an interruption."""

from typing import Any

import h5py
import numpy as np
import pytest

import pcsim
from pcsim.cli.call import call
from pcsim.errors import UsageError
from pcsim.report.findings import findings
from pcsim.report.plotting import draw
from pcsim.report.training_summary import training_headline, training_table
from pcsim.runs.repetition import last_measures
from pcsim.runs.simulation import prepare
from pcsim.scenario import read_scenario
from pcsim.trace import Trace
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, assert_same_bits, only_line


def test_a_trace_holds_updates_epochs_and_the_trained_network(files: Files):
    with pcsim.run(files.read(TRAINING, "data.validation=0.1", "learning.checkpoint=3"), path="s.h5") as trace:
        history, updates = trace.training, 4 * 20
        np.testing.assert_array_equal(history["update"], np.arange(1, updates + 1))
        np.testing.assert_array_equal(history["epoch"], [1, 2, 3, 4])
        assert history["energy"].shape == (updates, 2)
        assert history["loss"].shape == (updates,)
        for part in ("train", "validation", "test"):
            assert history[f"{part}_loss"][-1] < history[f"{part}_loss"][0]
            assert 0.8 < history[f"{part}_accuracy"][-1] <= 1
        assert (np.diff(history["wall_seconds"]) > 0).all()
        assert {name: array.shape for name, array in trace.trained.items()} == {
            name: array.shape for name, array in trace.network.items()
        }
        assert trace.trained["W_0"].dtype == np.float32
        assert not np.array_equal(trace.trained["W_0"], trace.network["W_0"])
        assert (trace.status, trace.rows) == ("complete", 3)
        assert (trace.attributes["updates"], trace.attributes["epoch_kept"]) == (updates, 4)
    assert sorted(path.name for path in files.folder.iterdir()) == ["s.h5", "s.h5.checkpoint", "s.toml"]


def test_a_short_run_of_the_shipped_scenario_learns():
    with pcsim.run(read_scenario("train-digits", ["learning.epochs=4"])) as trace:
        assert trace.training["test_accuracy"][-1] > 0.9


def test_inference_runs_on_the_trained_network(files: Files):
    with pcsim.run(files.read(TRAINING)) as trace, pcsim.run(files.read(TEXT, "network.widths=[64,12,10]")) as before:
        assert trace.energy[0, -1] < 0.5 * before.energy[0, -1]


@pytest.mark.parametrize(
    "change",
    [
        "learning.rule=incremental",
        "learning.rule=backprop",
        "inference.method=error",
        "learning.optimizer=mq",
        "learning.shuffle=false",
        "learning.scale=per-layer",
        "learning.schedule={kind='step',every=2}",
    ],
)
def test_the_same_seed_learns_the_same_bits(files: Files, change: str):
    scenario = files.read(TRAINING, change, "learning.epochs=2", *_goes_with(change))
    for name in ("a.h5", "b.h5"):
        pcsim.run(scenario, path=name).close()
    assert_same_bits("a.h5", "b.h5")


def _goes_with(change: str) -> list[str]:
    return ["inference.method=backprop"] if change.endswith("backprop") else []


def test_another_seed_learns_otherwise(files: Files):
    with pcsim.run(files.read(TRAINING)) as ours, pcsim.run(files.read(TRAINING, "seed=4")) as theirs:
        assert not np.array_equal(ours.trained["W_0"], theirs.trained["W_0"])


def test_a_validation_split_is_held_out_of_training(files: Files):
    setup = prepare(files.read(TRAINING, "data.validation=0.2")).training
    assert setup is not None
    assert setup.samples.validation is not None
    assert (len(setup.samples.train.x), len(setup.samples.validation.x)) == (1150, 287)
    assert setup.updates == 4 * 17


def test_some_samples_are_the_first_ones(files: Files):
    whole, some = (prepare(files.read(TRAINING, *words)).training for words in ([], ["data.samples=130"]))
    assert whole is not None
    assert some is not None
    np.testing.assert_array_equal(some.samples.train.x, whole.samples.train.x[:130])
    assert some.updates == 4 * 2
    with pytest.raises(UsageError, match=r"data.samples=1438: 1438 samples asked for, .* use 1437 or fewer"):
        prepare(files.read(TRAINING, "data.samples=1438"))


def test_one_hot_targets_are_classes_and_numbers_are_not(files: Files):
    draw = np.random.default_rng(0)
    x, labels = draw.normal(size=(40, 4)), np.arange(40) % 3
    changes = ("data.name=npz", "data.file=d.npz", "network.widths=[4,5,3]", "learning.batch=8")
    for y, classes in ((labels, 3), (np.eye(3)[labels], 3), (draw.normal(size=(40, 3)), 0)):
        np.savez("d.npz", x=x, y=y)
        setup = prepare(files.read(TRAINING, *changes, "inference.loss=squared-error")).training
        assert setup is not None
        assert setup.plan.classes == classes


def stopped(files: Files, *changes: str) -> Trace:
    settings = ("learning.patience=2", "learning.lr=0.05", "learning.epochs=60", "data.validation=0.1")
    return pcsim.run(files.read(TRAINING, *settings, *changes))


def test_patience_stops_and_restores_the_best_weights(files: Files):
    with stopped(files) as trace:
        losses, kept = trace.training["validation_loss"], int(trace.attributes["epoch_kept"])
        assert len(losses) < 60
        assert trace.attributes["stopped_early"] == 1
        assert kept == np.argmin(losses) + 1 == len(losses) - 2
        assert last_measures(trace)["test_loss"] == trace.training["test_loss"][kept - 1]
        trained = trace.trained
    with stopped(files, "learning.patience=60", f"learning.epochs={kept}") as trace:
        assert trace.attributes["stopped_early"] == 0
        assert all(np.array_equal(trained[name], array) for name, array in trace.trained.items())


def test_a_summary_of_an_early_stop(files: Files, capsys: pytest.CaptureFixture[str]):
    settings = ("learning.patience=1", "learning.lr=0.05", "learning.epochs=60")
    files.write(TRAINING)
    assert call(["run", "s.toml", *[word for change in settings for word in ("--set", change)]]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("trained ")
    assert " %), training accuracy " not in lines[1]
    assert ": test accuracy " in lines[1]
    assert lines[1].endswith("whose weights are kept)")
    assert any(line.startswith("Training stopped early after epoch ") for line in lines)


def test_a_summary_of_a_regression_names_losses_only(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TRAINING)
    changes = ("data.name=gaussian-line", "network.widths=[1,1]", "inference.loss=squared-error", "learning.epochs=1")
    assert call(["run", "s.toml", *[word for change in changes for word in ("--set", change)]]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("trained 1 epoch, ")
    assert "training loss " in line
    assert "accuracy" not in line


def test_layers_without_signal_are_named(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TRAINING)
    changes = ("network.widths=[64,12,12,12,10]", "learning.epochs=1", "inference.steps=1")
    assert call(["run", "s.toml", *[word for change in changes for word in ("--set", change)]]) == 0
    said = capsys.readouterr().out
    assert said.count("No signal") == 1
    assert (
        "No signal reached layers 0, 1 in the last epoch of training, nor in 1 step after it: their weights did not "
        "change." in said
    )
    lines = [line.split() for line in said.splitlines() if line.startswith("layer 0 ")]
    assert lines == [["layer", "0", "12", "no", "signal", "–", "0", "0"], ["layer", "0", "12", "never", "0"]]


def test_every_layer_has_its_share_of_the_energy(files: Files):
    with pcsim.run(files.read(TRAINING, "inference.method=error")) as trace:
        energy, table = trace.training["energy"][-22:].mean(axis=0), training_table(trace)
        columns = {str(column.header): list(column.cells) for column in table.columns}
        assert columns["energy"] == [f"{value:.4g}" for value in energy]
        assert columns["share"] == [f"{100 * value / energy.sum():.1f} %" for value in energy]
        assert columns["cosine to BP"] == [f"{value:.4f}" for value in trace.training["cosine"][-1]]
        assert columns["‖PC‖/‖BP‖"] == [f"{value:.3g}" for value in trace.training["norm_ratio"][-1]]
        assert columns["‖ΔW‖/‖W‖"] == [f"{value:.3g}" for value in trace.training["update_ratio"][-1]]


def test_backpropagation_is_not_compared_with_itself(files: Files):
    with pcsim.run(files.read(TRAINING, "learning.rule=backprop", "inference.method=backprop")) as trace:
        assert trace.training["update_ratio"].shape == (4, 2)
        assert not {"cosine", "norm_ratio"} & set(trace.training)
        assert [str(column.header) for column in training_table(trace).columns][2:] == ["energy", "share", "‖ΔW‖/‖W‖"]
        assert findings(trace) == []


@pytest.mark.parametrize(("step_size", "said"), [(1e-3, True), (0.5, False)])
def test_backpropagation_in_disguise_is_said(files: Files, step_size: float, said: bool):
    """Error optimization with λT = 0.004, and with λT = 2."""
    changes = ("inference.method=error", f"inference.step_size={step_size}", "inference.steps=4")
    with pcsim.run(files.read(TRAINING, *changes, "learning.epochs=2")) as trace:
        cosine, ratio = trace.training["cosine"], trace.training["norm_ratio"]
        assert (cosine.min() > 0.99) == said
        sentences = [line for line in findings(trace) if "backpropagation's in all but scale" in line]
        assert len(sentences) == said
        if said:
            np.testing.assert_allclose(ratio[:, 0], 4 * step_size, rtol=0.01)
            assert cosine.min() > 0.9999
            assert "cosine 0.9999 or more" in sentences[0]
            assert "take a larger inference.step_size × inference.steps" in sentences[0]


def test_the_figure_has_a_row_of_alignment_where_epochs_follow_each_other(files: Files):
    for epochs in (1, 2):
        with pcsim.run(files.read(TRAINING, f"learning.epochs={epochs}")) as trace:
            labels = {axes.get_ylabel() for axes in draw([trace]).axes}
            assert ("cosine to backpropagation" in labels) == (epochs > 1)
            assert ("‖ΔW‖/‖W‖ of an update" in labels) == (epochs > 1)


def test_the_first_update_of_an_epoch_is_diagnosed(files: Files):
    changes = ("learning.optimizer=sgd", "learning.epochs=1", "learning.shuffle=false", "learning.batch=1437")
    with pcsim.run(files.read(TRAINING, *changes)) as trace:
        moved = {k: np.linalg.norm(trace.trained[k] - w.astype(np.float32)) for k, w in trace.network.items()}
        ratios = [moved[f"W_{i}"] / np.linalg.norm(trace.network[f"W_{i}"]) for i in range(2)]
        np.testing.assert_allclose(trace.training["update_ratio"][0], ratios, rtol=1e-4)


def test_top_5_is_counted_where_there_are_more_classes(files: Files):
    with pcsim.run(files.read(TRAINING, "data.validation=0.1", "learning.epochs=1")) as trace:
        for part in ("train", "validation", "test"):
            assert 1 >= trace.training[f"{part}_top5"][0] > trace.training[f"{part}_accuracy"][0]
        share = f"top-5 {100 * trace.training['test_top5'][0]:.1f} % (loss"
        assert training_headline(trace).count("top-5") == 2
        assert share in training_headline(trace)
    np.savez("d.npz", x=np.random.default_rng(0).normal(size=(40, 4)), y=np.arange(40) % 5)
    few = ("data.name=npz", "data.file=d.npz", "network.widths=[4,5,5]", "learning.batch=8")
    with pcsim.run(files.read(TRAINING, *few)) as trace:
        assert not any("top5" in name for name in trace.training)
        assert "top-5" not in training_headline(trace)


def test_replay_verifies_the_inference_alone(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TRAINING)
    assert call(["run", "s.toml", "--quiet"]) == 0
    assert call(["replay", "s.h5", "--verify"]) == 0
    said = capsys.readouterr().out
    assert "note: inference was simulated again with the trained parameters; training was not repeated" in said
    assert "(the same bits)" in said
    assert call(["replay", "s.h5"]) == 0
    _change_a_weight("s.h5")
    assert call(["replay", "s.h5", "--verify"]) == 3


def _change_a_weight(path: str) -> None:
    file: Any
    with h5py.File(path, "r+") as file:
        file["final/network/W_0"][0, 0] += 1


@pytest.mark.parametrize(
    ("command", "changes", "line"),
    [
        ("compare", (), "inference is what is compared, of networks that do not learn"),
        ("run", ("learning.batch=1500",), "a batch of 1500, but there are 1437 training samples; use 1437 or fewer"),
        ("check", ("backend.precision=bfloat16",), "backend.precision=bfloat16: numpy trains in float32 and float64"),
        ("run", ("backend.precision=float16",), "numpy trains in float32 and float64; use one of these"),
    ],
)
def test_what_cannot_be_trained_is_one_line_and_starts_nothing(
    files: Files, capsys: pytest.CaptureFixture[str], command: str, changes: tuple[str, ...], line: str
):
    files.write(TRAINING)
    given = [word for change in changes for word in ("--set", change)]
    assert line in only_line(capsys, [command, "s.toml", *given], code=2)
    assert [path.name for path in files.folder.iterdir()] == ["s.toml"]


def test_check_says_what_training_will_do(files: Files, capsys: pytest.CaptureFixture[str]):
    files.write(TRAINING)
    assert call(["check", "s.toml", "--set", "data.validation=0.1"]) == 0
    assert (
        "  training   pc, adam, 4 epochs, 80 updates of 64 samples; samples: 1,293 to learn from, 144 to validate, "
        "360 to test; some "
    ) in capsys.readouterr().out
    assert call(["check", "s.toml", "--set", "learning.seeds=[0,1]"]) == 0
    assert "360 to test; for each of 2 seeds; some " in capsys.readouterr().out
