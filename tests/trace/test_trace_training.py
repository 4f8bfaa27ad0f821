"""Traces of training runs: rows along `update` and `epoch`, whole after a kill, cut off and resumed."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from pcsim.errors import RunFailed, UsageError
from pcsim.trace import EpochBlock, TraceWriter, Training, open_trace, repair
from pcsim.trace.training import ALIGNMENT, MEASURES, TOP_5, VALIDATION
from tests.support.covering import sampled
from tests.support.trace_samples import (
    NETWORK,
    append_epoch,
    beginning,
    block,
    create,
    epoch_block,
    final,
    killed_trace,
    layout,
    start_child,
    update_block,
)
from tests.support.trained_traces import GROWING, TRAINED, assert_trained, trained


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_training_is_read_back(tmp_path: Path, where: str) -> None:
    with trained(tmp_path / "run.h5" if where == "disk" else None) as trace:
        assert_trained(trace, 15, 3)
        assert trace.steps.tolist() == [0, 1]
        assert trace.rows_by_clock == {"step": 2, "training/update": 15, "training/epoch": 3}
        assert trace.training["update"].dtype == trace.training["epoch"].dtype == np.int64
        assert trace.training["loss"].dtype == np.float64
        assert set(trace.training) == {"update", "epoch", "energy", "loss", "update_ratio", *MEASURES}
        assert trace.array("training/energy", slice(3, 5)).shape == (2, 3)
        assert trace.array("final/network/W_1").shape == (5, 5)
        with pytest.raises(KeyError, match="validation_loss"):
            _ = trace.training["validation_loss"]
        with pytest.raises(UsageError, match="holds no training/validation_loss; runs that train write it"):
            trace.array("training/validation_loss")


def test_a_validation_split_has_its_measures(tmp_path: Path) -> None:
    with trained(tmp_path / "run.h5", validation=True) as trace:
        assert [trace.training[name].tolist() for name in VALIDATION] == [[1, 2, 3]] * 2


def test_top_5_and_alignment_have_streams_where_they_are_measured(tmp_path: Path) -> None:
    measured = Training(updates=None, epochs=None, validation=True, top_5=True, alignment=True, steps=True)
    writer = create(tmp_path / "run.h5", layout(training=measured))
    writer.append_epochs(replace(epoch_block(1, 2), cosine=np.full((2, 3), 0.5), test_top5=np.array([0.8, 0.9])))
    with writer.finish("complete", {}, {}) as trace:
        assert trace.training["test_top5"].tolist() == [0.8, 0.9]
        np.testing.assert_array_equal(trace.training["cosine"], np.full((2, 3), 0.5))
        for name in (*TOP_5[:1], "validation_top5", *ALIGNMENT[1:]):
            assert np.isnan(trace.training[name]).all(), name
        assert trace.training["norm_ratio"].shape == (2, 3)
    with xr.open_dataset(tmp_path / "run.h5", engine="h5netcdf", group="training") as data:
        assert data["cosine"].dims == data["update_ratio"].dims == ("epoch", "layer")
        assert [data[f"{part}_top5"].attrs["long_name"].split()[2] for part in ("train", "test", "validation")] == [
            "training",
            "test",
            "validation",
        ]
        assert data["steps"].attrs["long_name"] == "steps of inference that the update took"


def test_without_training_there_is_no_group(tmp_path: Path) -> None:
    with create(tmp_path / "run.h5") as writer:
        with pytest.raises(ValueError, match="the layout records no training/update"):
            writer.append_updates(update_block(1, 1))
        with pytest.raises(ValueError, match="the layout records no training/epoch"):
            writer.append_epochs(epoch_block(1, 1))
        trace = writer.finish("complete", {}, {})
    with trace:
        assert "training" not in trace
        assert dict(trace.training) == {}
        assert not trace.training


def test_xarray_opens_training(tmp_path: Path) -> None:
    """Also alone, without warning (warnings are errors here)."""
    path = tmp_path / "run.h5"
    trained(path, validation=True).close()
    with xr.open_dataset(path, engine="h5netcdf", group="training") as data:
        assert data["energy"].dims == ("update", "layer")
        assert data["loss"].dims == ("update",)
        assert data["validation_accuracy"].dims == ("epoch",)
        assert set(data.coords) == {"update", "epoch"}
        assert data["train_loss"].sel(epoch=2) == 2
    with xr.open_datatree(path, engine="h5netcdf") as tree:
        assert tree["training/energy"].dims == ("update", "layer")
        assert tree["training"].coords["layer"].values.tolist() == [0, 1, 2]
        assert tree["energy"].dims == ("step", "layer")
        assert not [str(d) for group in tree.subtree for d in group.dataset.dims if "phony" in str(d)]


def test_blocks_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with create(tmp_path / "run.h5", TRAINED) as writer:
        with pytest.raises(ValueError, match="training/energy: block of shape"):
            writer.append_updates(update_block(1, 2, layers=2))
        with pytest.raises(ValueError, match="training/train_loss: block of shape"):
            writer.append_epochs(EpochBlock(np.array([1, 2]), np.ones((2, 3)), train_loss=np.array([1.0])))
        writer.append_updates(update_block(1, 0))
        assert (writer.rows, writer.updates, writer.epochs) == (0, 0, 0)


@pytest.mark.parametrize("seed", sampled(range(4), ["0"]))
def test_kill_9_loses_no_flushed_row(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    path, updates = tmp_path / "run.h5", draw.choice([1, 7, 300])
    safe = killed_trace(path, updates, draw.uniform(0, 0.15), mode="train")
    with open_trace(path) as trace:
        held = trace.rows_by_clock
        assert held["training/epoch"] >= safe
        assert held["training/update"] >= held["training/epoch"] * updates
        assert_trained(trace, held["training/update"], held["training/epoch"])
    report = repair(path)
    assert report.kept == held
    words = f"0 rows, {held['training/update']} updates and {held['training/epoch']} epochs kept"
    assert words in str(report)
    with h5py.File(path, "r") as file:
        loss: Any = file["training/loss"]
        assert loss.shape == (held["training/update"],)
    with xr.open_dataset(path, engine="h5netcdf", group="training") as data:
        assert data.sizes["epoch"] == held["training/epoch"]
    assert "nothing to repair; 0 rows" in str(repair(path))


def test_rows_that_are_not_whole_are_cut_off_clock_by_clock(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    create(path, TRAINED).close()
    with h5py.File(path, "r+") as file:
        training: Any = file["training"]
        del file.attrs["writer_pid"]
        for name, rows in (("update", 6), ("energy", 5), ("loss", 6), ("epoch", 2), *((m, 3) for m in GROWING)):
            training[name].resize(rows, axis=0)
        training["update"][:4] = np.arange(4)  # of updates 4 and 5 the clock never reached the disk
        training["epoch"][:] = [0, 1]
    report = repair(path)
    assert report.kept == {"step": 0, "training/update": 4, "training/epoch": 2}
    assert report.trimmed == {
        "training/update": 2,
        "training/energy": 1,
        "training/loss": 2,
        **{f"training/{m}": 1 for m in GROWING},
    }
    with open_trace(path) as trace:
        assert trace.training["energy"].shape == (4, 3)


def test_training_is_followed_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with create(path, TRAINED) as writer, open_trace(path) as reader:
        assert_trained(reader, 0, 0)
        for epoch in (1, 2):
            append_epoch(writer, 5)
            assert reader.training["update"].shape == ((epoch - 1) * 5,)
            reader.refresh()
            assert_trained(reader, 5 * epoch, epoch)
        writer.finish("complete", {}, {}).close()
        reader.refresh()
        assert_trained(reader, 10, 2)


@pytest.mark.parametrize("limit", sampled([200_000, 777_777, 1_500_001], ["777777"]))
def test_a_limit_met_during_training_keeps_the_rows(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "run.h5"
    process = start_child("overfill-training", path, str(limit))
    said, complaints = process.communicate()
    assert (complaints, process.returncode) == ("", 0)
    line, end = said.splitlines()
    updates, epochs = (int(word) for word in line.split()[1:3])
    assert line.endswith(f"0 rows, {updates} updates and {epochs} epochs are safe")
    assert str(path) in line
    assert end == "end"
    with open_trace(path) as trace:
        assert trace.status == "failed"
        assert_trained(trace, updates, epochs)


def test_a_closed_trace_says_what_is_safe(tmp_path: Path) -> None:
    with create(tmp_path / "run.h5", TRAINED) as writer:
        append_epoch(writer, 5)
        writer.close()
        with pytest.raises(RunFailed, match="is closed; 0 rows, 5 updates and 1 epochs are safe"):
            append_epoch(writer, 5)


def test_the_estimate_is_close(tmp_path: Path) -> None:
    of = layout(training=Training(updates=30_000, epochs=100), rows=2)
    network = NETWORK | {"W_1": np.ones((500, 500))}
    estimate = beginning(of, network=network).whole_bytes
    with TraceWriter.create(tmp_path / "run.h5", beginning(of, network=network)) as writer:
        for _ in range(100):
            append_epoch(writer, 300)
        writer.append(block(0, 2))
        writer.finish("complete", {}, final() | {f"final/network/{k}": v for k, v in network.items()}).close()
    size = (tmp_path / "run.h5").stat().st_size
    assert size <= estimate <= 1.2 * size
