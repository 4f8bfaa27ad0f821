"""Runs that are over within a moment write their trace once; those that are not lose no row by it."""

from pathlib import Path

import pytest

from pcsim.errors import RunFailed, UsageError
from pcsim.trace import TraceWriter, open_trace
from pcsim.trace.held import MOST_HELD
from pcsim.trace.journal import journal_path
from tests.support import trace_samples as samples
from tests.support.trace_samples import ALL, block, final, layout


def held(path: Path, seconds: float = 60.0, force: bool = False, rows: int | None = None) -> TraceWriter:
    return TraceWriter.create(path, samples.beginning(layout(ALL, rows)), force=force, hold=seconds)


def test_a_short_run_is_written_once_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with held(path) as writer:
        writer.append(block(0, 3, ALL))
        writer.append(block(3, 2, ALL))
        assert (writer.rows, writer.on_disk, list(tmp_path.iterdir())) == (5, False, [])
        with writer.finish("complete", {}, final()) as trace:
            assert trace.path == path
            assert trace.energy[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert list(tmp_path.iterdir()) == [path]
    with open_trace(path) as trace:
        assert (trace.status, trace.rows) == ("complete", 5)
        assert trace.array("states/layer_1")[:, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_short_run_that_is_broken_off_has_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"

    def breaking_off() -> None:
        with held(path) as writer:
            writer.append(block(0, 3, ALL))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        breaking_off()
    with open_trace(path) as trace:
        assert (trace.status, trace.rows) == ("failed", 3)


def test_rows_are_on_disk_once_the_run_is_not_short_any_more(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with held(path, 1e-9) as writer:
        writer.append(block(0, 3, ALL))
        assert writer.on_disk
        assert journal_path(path).exists()
        writer.append(block(3, 4, ALL))
        with open_trace(path) as trace:
            assert (trace.status, trace.rows) == ("running", 7)
        writer.finish("complete", {}, final()).close()
    with open_trace(path) as trace:
        assert trace.steps.tolist() == list(range(7))


def test_a_large_trace_is_not_put_together_in_memory(tmp_path: Path) -> None:
    path, rows = tmp_path / "run.h5", 10**6
    assert samples.beginning(layout(ALL, rows)).whole_bytes > MOST_HELD
    with held(path, rows=rows) as writer:
        assert writer.on_disk
        writer.append(block(0, 2, ALL))
    with open_trace(path) as trace:
        assert trace.rows == 2


def test_a_file_that_came_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with held(path) as writer:
        writer.append(block(0, 3, ALL))
        path.write_text("precious")
        with pytest.raises(RunFailed, match="exists; choose another name"):
            writer.finish("complete", {}, final())
    path.unlink()
    with held(path, 1e-9) as writer:
        path.write_text("precious")
        with pytest.raises(RunFailed, match="exists; choose another name"):
            writer.append(block(0, 3, ALL))
    assert path.read_text() == "precious"


def test_the_trace_before_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with held(path) as writer:
        writer.append(block(0, 3, ALL))
        writer.finish("complete", {}, final()).close()
    with pytest.raises(UsageError, match="exists"):
        held(path)
    with held(path, force=True) as writer:
        writer.append(block(0, 5, ALL))
        with open_trace(path) as old:
            assert old.rows == 3
        writer.finish("complete", {}, final()).close()
    with open_trace(path) as new:
        assert new.rows == 5


def test_a_folder_that_is_gone_is_said_in_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    folder.mkdir()
    with held(folder / "run.h5") as writer:
        writer.append(block(0, 3, ALL))
        folder.rmdir()
        with pytest.raises(RunFailed, match=r"could not be written .*nothing of it is kept") as failed:
            writer.finish("complete", {}, final())
    assert "\n" not in str(failed.value)
