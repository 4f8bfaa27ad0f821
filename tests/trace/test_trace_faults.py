"""Traces on a disk that fails, at every write; the fault is injected below Python and HDF5."""

import json
import zlib
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import pytest

from pcsim.errors import UsageError
from pcsim.report.summary import no_rows
from pcsim.trace import Trace, open_trace, repair
from tests.support.faults import Outcome, faults
from tests.support.faulty import BLOCK, ROWS, UPDATES
from tests.support.trace_samples import ALL, NETWORK, block, child, create, final, layout, lines_until


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A finished trace without rows, to be replaced."""
    path = tmp_path_factory.mktemp("old") / "run.h5"
    create(path).finish("complete", {"title": "old"}, final()).close()
    return path.read_bytes()


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A training run that was killed after two epochs, and its journal, by name."""
    folder = tmp_path_factory.mktemp("begun")
    with child("train", folder / "run.h5", str(UPDATES)) as process:
        lines_until(process.stdout, "safe 3")
    return {name: (folder / name).read_bytes() for name in ("run.h5", "run.h5.journal")}


KILLS = [("torn", 2, 6), ("kill", 1, 8)]
"""A kind of kill, the first change that meets it, and every how manieth."""


def assert_whole(trace: Trace, safe: int) -> None:
    assert trace.rows >= safe
    rows = np.arange(trace.rows)
    for array in (trace.steps, trace.energy[:, 2], trace.states(0)[:, 1, 4], trace.errors(2)[:, 0, 0]):
        np.testing.assert_array_equal(array, rows)


def assert_nothing_lost(outcome: Outcome) -> None:
    path = outcome.folder / "run.h5"
    repair(path)
    with open_trace(path) as trace:
        if trace.attributes.get("title") != "old":
            assert_whole(trace, outcome.safe)
        else:
            assert outcome.safe == 0
        assert trace.status != "complete" or outcome.safe == ROWS or trace.rows == 0
    assert [file.name for file in outcome.folder.iterdir()] == ["run.h5"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("kind", ["error", "full"])
def test_a_failing_disk_is_noticed_and_costs_no_row(tmp_path: Path, old: bytes, kind: str) -> None:
    def prepare(folder: Path) -> None:
        (folder / "run.h5").write_bytes(old)

    for outcome in faults("replace_trace", kind, tmp_path, prepare, lambda count: range(1, count + 1, 4)):
        assert outcome.exit_code in (0, 1, 2), outcome
        assert outcome.exit_code == 0 or "run.h5" in outcome.said, outcome
        assert_nothing_lost(outcome)
        with open_trace(outcome.folder / "run.h5") as trace:
            assert outcome.exit_code != 0 or (trace.status, trace.rows) == ("complete", ROWS), outcome


@pytest.mark.exhaustive
@pytest.mark.parametrize(("kind", "first", "every"), KILLS)
def test_a_kill_costs_no_row_even_where_it_tears_a_write(
    tmp_path: Path, old: bytes, kind: str, first: int, every: int
) -> None:

    def prepare(folder: Path) -> None:
        (folder / "run.h5").write_bytes(old)

    for outcome in faults("replace_trace", kind, tmp_path, prepare, lambda count: range(first, count + 1, every)):
        assert outcome.exit_code == -9
        assert_nothing_lost(outcome)


@pytest.mark.exhaustive
@pytest.mark.parametrize(("kind", "first", "every"), KILLS)
def test_a_kill_of_a_resumed_run_costs_no_epoch(
    tmp_path: Path, begun: dict[str, bytes], kind: str, first: int, every: int
) -> None:

    def prepare(folder: Path) -> None:
        for name, content in begun.items():
            (folder / name).write_bytes(content)

    for outcome in faults("go_on", kind, tmp_path, prepare, lambda count: range(first, count + 1, every)):
        assert outcome.exit_code == -9
        repair(outcome.folder / "run.h5")
        with open_trace(outcome.folder / "run.h5") as trace:
            epochs = trace.training["epoch"]
            assert epochs.tolist() == list(range(1, len(epochs) + 1))
            assert len(epochs) >= max(outcome.safe, 2)
            assert trace.training["energy"][:, 0].tolist() == list(range(1, len(trace.training["update"]) + 1))
            assert len(trace.training["update"]) >= UPDATES * len(epochs)
        assert [file.name for file in outcome.folder.iterdir()] == ["run.h5"]


@pytest.mark.parametrize("restarted", [False, True])
def test_after_a_power_cut_only_rows_that_are_as_they_were_written_are_kept(tmp_path: Path, restarted: bool) -> None:
    path = tmp_path / "run.h5"
    with create(path, layout(ALL)) as writer:
        for start in range(0, ROWS, BLOCK):
            writer.append(block(start, BLOCK, ALL))
        writer.close()
    with cast("Any", h5py.File(path, "r+")) as file:
        file["energy"][25] = 0.0  # never got to the disk
        file.attrs["writer_started"] = 1
    if restarted:
        head, *lines = (tmp_path / "run.h5.journal").read_bytes().splitlines(keepends=True)
        words = json.dumps({**json.loads(head[9:]), "boot": "another"}, separators=(",", ":")).encode()
        (tmp_path / "run.h5.journal").write_bytes(b"%08x %b\n" % (zlib.crc32(words), words) + b"".join(lines))
    assert repair(path).rows == (20 if restarted else ROWS)
    with open_trace(path) as trace:
        assert_whole(trace, 20) if restarted else None
        np.testing.assert_array_equal(trace.network["W_0"], NETWORK["W_0"])
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]


def test_a_file_in_the_journal_s_place_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run.h5.journal").symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match=r"run\.h5\.journal is in the way and no journal of pcsim; move it"):
        create(tmp_path / "run.h5")
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "run.h5").exists()


def test_a_run_killed_before_its_first_row_lost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    with child("obey", path) as process:
        lines_until(process.stdout, "safe")
    with open_trace(path) as trace:
        assert "was killed before its first row, and nothing was lost" in no_rows(trace)
    assert str(repair(path)).endswith("was killed before its first row, nothing was lost; status interrupted")


def test_the_copy_is_looked_at_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.h5"
    writer = create(path)
    writer.append(block(0, 3))
    monkeypatch.setattr("pcsim.trace.assemble.copy_rows", lambda *_: None)  # pyright: ignore[reportUnknownLambdaType]
    with writer.finish("complete", {}, final()) as trace:  # into the file itself, whose rows are whole
        assert trace.steps.tolist() == [0, 1, 2]
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]
