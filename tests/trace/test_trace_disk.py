"""Traces and the disk: what is checked before a run, and what is left when the room ends during one."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pcsim.errors import RunFailed, UsageError
from pcsim.trace import TraceWriter, open_trace, repair, space
from tests.support import trace_samples as samples
from tests.support.covering import sampled
from tests.support.places import ROOT
from tests.support.trace_samples import ALL, SMALL, block, cannot_reserve, create, final, layout, start_child


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small tmpfs is not permitted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def file_limit(kind: int) -> tuple[int, int]:
    return 10**6, 10**6


def fill(writer: TraceWriter) -> None:
    while True:
        writer.append(block(writer.rows, 16))


def test_a_trace_that_cannot_fit_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as error:
        create(tmp_path / "run.h5", layout(ALL, rows=10**13))
    message = str(error.value)
    assert message.startswith("the trace needs about ")
    assert f"are free in {tmp_path}; record less ([trace] record, every) or write elsewhere with path=" in message
    assert list(tmp_path.iterdir()) == []


def test_a_quota_is_noticed_before_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", file_limit)
    with pytest.raises(UsageError, match=r"does not take that much: file size limit of 1 MB \(ulimit -f\)"):
        create(tmp_path / "run.h5", layout(ALL, rows=10**6))
    assert list(tmp_path.iterdir()) == []


def test_the_estimate_is_close(tmp_path: Path) -> None:
    of = layout(ALL, rows=2000)
    estimate = samples.beginning(of).whole_bytes
    with create(tmp_path / "run.h5", of) as writer:
        writer.append(block(0, 2000, ALL))
        writer.finish("complete", {}, final()).close()
    size = (tmp_path / "run.h5").stat().st_size
    assert size <= estimate <= 1.5 * size


def test_existing_files_need_force(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_text("precious")
    with pytest.raises(UsageError) as error:
        create(path)
    assert str(error.value) == f"{path} exists; choose another name with path= or add force=True"
    assert path.read_text() == "precious"
    create(path, force=True).finish("complete", {}, final()).close()
    assert open_trace(path).status == "complete"


def test_a_forced_creation_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    path.write_text("precious")
    with pytest.raises(UsageError):
        create(path, layout(ALL, rows=10**13), force=True)
    with pytest.raises(TypeError):
        TraceWriter.create(path, samples.beginning(layout(), network={"W_0": np.array([None])}), force=True)
    assert path.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_targets_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cases = {
        tmp_path: "is a directory",
        tmp_path / "none" / "run.h5": "does not exist",
        tmp_path / "file" / "run.h5": "does not exist",
        Path("/dev/full"): "is not a regular file",
        Path("/proc/run.h5"): "write /proc/run.h5|write in /proc",
        tmp_path / ("x" * 300): "cannot write",
    }
    for path, expected in cases.items():
        with pytest.raises(UsageError, match=expected) as error:
            create(path, force=True)
        assert "\n" not in str(error.value)
        assert "path=" in str(error.value)


def test_a_folder_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    if os.access(tmp_path, os.W_OK):
        pytest.skip("this user may write everywhere")
    with pytest.raises(UsageError, match="no permission to write"):
        create(tmp_path / "run.h5")
    tmp_path.chmod(0o700)


@pytest.mark.parametrize("mode", ["overfill", "overfill-unreserved"])
@pytest.mark.parametrize("limit", sampled([300_000, 555_555, 700_001], ["555555"]))
def test_a_limit_met_during_the_run_keeps_the_rows(tmp_path: Path, mode: str, limit: int) -> None:
    """Also where room cannot be reserved and HDF5 itself meets the limit, it ends cleanly and quietly."""
    path = tmp_path / "run.h5"
    process = start_child(mode, path, str(limit))
    said, complaints = process.communicate()
    assert complaints == ""
    assert process.returncode == 0
    lines = said.splitlines()
    safe = int(lines[0].split()[1])
    assert str(path) in lines[0]
    assert lines[0].endswith(f"{safe} rows are safe")
    assert lines[-1] == "end"
    with open_trace(path) as trace:
        assert trace.rows >= safe > 0
        assert trace.energy[:safe, 0].tolist() == list(range(safe))
    repair(path)
    assert open_trace(path).status == ("failed" if lines[1] == "finished" else "interrupted")
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_a_full_disk_during_the_run_keeps_the_rows(small_disk: Path) -> None:
    path = small_disk / "run.h5"
    writer = create(path, layout(SMALL))
    with pytest.raises(RunFailed, match=f"{path}: cannot write on .*no space left.* rows are safe"):
        fill(writer)
    with writer.finish("failed", {}, final()) as trace:
        assert trace.status == "failed"
        assert trace.steps.tolist() == list(range(writer.rows))
        assert trace.arrival_steps.tolist() == [2, 1, 0]
    assert [p.name for p in small_disk.iterdir()] == ["run.h5"]


def test_a_disk_too_small_is_named(small_disk: Path) -> None:
    with pytest.raises(UsageError, match=rf"the trace needs about .*B are free in {small_disk}"):
        create(small_disk / "run.h5", layout(SMALL, rows=10**6))
    assert list(small_disk.iterdir()) == []


def test_a_full_disk_without_reserving(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcsim.trace.growing.reserve", cannot_reserve)
    monkeypatch.setattr("pcsim.trace.assemble.reserve", cannot_reserve)
    path = small_disk / "run.h5"
    writer = create(path, layout(SMALL))
    with pytest.raises(RunFailed, match="no space left"):
        fill(writer)
    with pytest.raises(RunFailed, match=f"pcsim repair {path}"):
        writer.finish("failed", {}, final())
    with open_trace(path) as trace:
        assert trace.rows >= writer.rows
        assert trace.steps[: writer.rows].tolist() == list(range(writer.rows))


def test_sizes_in_words() -> None:
    assert [space.readable_size(n) for n in (7, 1500, 2**20, 5e12)] == ["7 bytes", "1.5 kB", "1.05 MB", "5 TB"]


def test_where_the_platform_has_no_safeguards(tmp_path: Path) -> None:
    """Nor lets files be moved that are open, as on Windows."""
    command = [sys.executable, "-m", "tests.support.elsewhere", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert (
        done.stdout.strip() == "done ['again.h5', 'copy.h5', 'killed.h5', 'run.h5', 'trained.h5', 'trained.h5.journal']"
    )
