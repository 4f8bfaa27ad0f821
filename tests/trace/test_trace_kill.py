"""Traces beside a living, killed or finished writer in another process: tailing, `kill -9` and repair."""

import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from pcsim.errors import RunFailed, UsageError
from pcsim.trace import open_trace, repair
from pcsim.trace.atomic import temporary_name
from tests.support.covering import sampled
from tests.support.trace_samples import ALL, block, child, create, described, final, killed_trace, layout, lines_until


@pytest.mark.parametrize("seed", sampled(range(6), ["0", "1"]))
def test_kill_9_loses_no_flushed_row(tmp_path: Path, seed: int) -> None:
    draw = random.Random(seed)
    path = tmp_path / "run.h5"
    safe = killed_trace(path, rows=draw.choice([1, 7, 64]), seconds=draw.uniform(0, 0.15))
    with open_trace(path) as trace:
        assert trace.status == "running"
        assert trace.rows >= safe
    report = repair(path)
    assert (report.repaired, report.status_before, report.status_after) == (True, "running", "interrupted")
    assert report.rows >= safe
    with opened(path, "r") as file:
        steps = np.arange(report.rows)
        np.testing.assert_array_equal(file["step"][()], steps)
        np.testing.assert_array_equal(file["energy"][:, 2], steps)
        np.testing.assert_array_equal(file["errors/layer_2"][:, 1, 0], steps)
        assert file.attrs["status"] == "interrupted"
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert data["energy"].dims == ("step", "layer")
        assert data.sizes["step"] == report.rows
    assert not repair(path).repaired
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_repair_keeps_every_object_attribute_and_scale(tmp_path: Path) -> None:
    path, before = tmp_path / "run.h5", tmp_path / "before.h5"
    killed_trace(path, rows=3, seconds=0)
    shutil.copy(path, before)
    assert "rows kept" in str(repair(path))
    with h5py.File(before, "r", swmr=True) as old, h5py.File(path, "r") as new:
        assert described(old) == described(new)
        gone = {"writer_pid", "writer_host", "writer_started", "writer_journal"}
        assert set(old.attrs) - set(new.attrs) == gone
        assert {k: v for k, v in old.attrs.items() if k not in gone | {"status"}} == {
            k: v for k, v in new.attrs.items() if k != "status"
        }


def opened(path: Path, mode: str) -> Any:
    return h5py.File(path, mode)


def test_rows_that_are_not_whole_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    create(path, layout(ALL)).close()
    with opened(path, "r+") as file:
        del file.attrs["writer_pid"]
        for name, rows in (("step", 6), ("energy", 5), ("grad_norm", 7)):
            file[name].resize(rows, axis=0)
        for name in ("energy_per_sample", *(f"errors/layer_{i}" for i in range(3)), "states/layer_0", "states/layer_1"):
            file[name].resize(6, axis=0)
        file["step"][:4] = np.arange(4)  # rows 4 and 5: the clock never reached the disk
    report = repair(path)
    assert report.rows == 4
    assert report.trimmed["step"] == 2
    assert report.trimmed["grad_norm"] == 3
    with open_trace(path) as trace:
        assert trace.energy.shape == (4, 3)


def test_repair_waits_for_a_living_writer(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with child("obey", path) as process:
        lines_until(process.stdout, "safe")
        with pytest.raises(UsageError, match=f"written by process {process.pid}, which is alive"):
            repair(path)
        with pytest.raises(UsageError, match=f"written by process {process.pid}; stop it"):
            create(path, force=True)
    assert repair(path).status_after == "interrupted"


def test_a_process_id_used_again_does_not_block_repair(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with create(path) as writer:
        writer.append(block(0, 3))
        writer.close()
    with pytest.raises(UsageError, match="alive"):
        repair(path)
    with h5py.File(path, "r+") as file:
        file.attrs["writer_started"] = 1
    assert repair(path).rows == 3


def test_repair_removes_what_a_kill_at_the_end_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with child("obey", path) as process:
        lines_until(process.stdout, "safe")
        theirs = temporary_name(path).replace(f"-{os.getpid()}-", f"-{process.pid}-")
        others = [temporary_name(path), temporary_name(tmp_path / "other.h5").replace(str(os.getpid()), "99999999")]
        for name in (theirs, *others):
            (tmp_path / name).touch()
    assert repair(path).repaired
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*others, "run.h5"])


def test_a_finished_trace_needs_no_repair(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with create(path) as writer:
        writer.finish("complete", {}, final()).close()
    before = path.read_bytes()
    report = repair(path)
    assert not report.repaired
    assert "nothing to repair" in str(report)
    assert path.read_bytes() == before


@pytest.mark.parametrize("size", sampled([0, 40, 3000], ["40"]))
def test_a_file_too_damaged_is_left_alone(tmp_path: Path, size: int) -> None:
    path = tmp_path / "run.h5"
    killed_trace(path, rows=3, seconds=0)
    damaged = path.read_bytes()[:size]
    path.write_bytes(damaged)
    with pytest.raises(UsageError) as error:
        repair(path)
    assert "\n" not in str(error.value)
    assert path.read_bytes() == damaged
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.h5", "run.h5.journal"]


def test_a_reader_tails_a_run_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with create(path) as writer, child("tail", path) as reader:
        lines_until(reader.stdout, "open")
        for start in range(0, 600, 10):
            writer.append(block(start, 10))
            time.sleep(0.001)
        writer.finish("complete", {}, final()).close()
        assert lines_until(reader.stdout, "over")[-1] == "over 600 [2, 1, 0]"
        assert reader.wait() == 0


def test_a_run_is_read_in_its_own_process(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with create(path) as writer, open_trace(path) as reader:
        for start in (0, 10):
            writer.append(block(start, 10))
            reader.refresh()
            assert reader.energy[:, 0].tolist() == list(range(start + 10))
        with pytest.raises(UsageError, match="holds no arrival_step; it is written when a run ends"):
            _ = reader.arrival_steps
        with writer.finish("complete", {}, final()) as trace:
            reader.refresh()
            assert reader.status == "complete"
            np.testing.assert_array_equal(reader.energy, trace.energy)


def test_a_trace_replaced_during_the_run_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with create(path) as writer:
        writer.append(block(0, 2))
        (tmp_path / "other.h5").write_text("mine")
        (tmp_path / "other.h5").replace(path)
        with pytest.raises(RunFailed, match="moved or replaced"):
            writer.finish("complete", {}, final())
    assert path.read_text() == "mine"


def test_a_link_to_a_trace_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "run.h5"
    link.symlink_to(tmp_path / "disk" / "real.h5")
    with create(link) as writer:
        writer.finish("complete", {}, final()).close()
    assert link.is_symlink()
    with open_trace(link) as trace:
        assert trace.status == "complete"
