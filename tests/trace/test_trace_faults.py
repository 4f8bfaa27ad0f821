"""Traces on a disk that fails, at every write; the fault is injected below Python and HDF5."""

from pathlib import Path

import numpy as np
import pytest

from pcsim.trace import Trace, open_trace, repair
from tests.support.covering import sampled
from tests.support.faults import Outcome, faults
from tests.support.faulty import ROWS
from tests.support.trace_samples import block, create, final


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A finished trace without rows, to be replaced."""
    path = tmp_path_factory.mktemp("old") / "run.h5"
    create(path).finish("complete", {"title": "old"}, final()).close()
    return path.read_bytes()


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


@pytest.mark.parametrize("part", sampled(range(16), ["0"]))
@pytest.mark.parametrize("kind", ["error", "full"])
def test_a_failing_disk_is_noticed_and_costs_no_row(tmp_path: Path, old: bytes, kind: str, part: int) -> None:
    def prepare(folder: Path) -> None:
        (folder / "run.h5").write_bytes(old)

    for outcome in faults("replace_trace", kind, tmp_path, prepare, lambda count: range(1 + part, count + 1, 16)):
        assert outcome.exit_code in (0, 1, 2), outcome
        assert outcome.exit_code == 0 or "run.h5" in outcome.said, outcome
        assert_nothing_lost(outcome)
        with open_trace(outcome.folder / "run.h5") as trace:
            assert outcome.exit_code != 0 or (trace.status, trace.rows) == ("complete", ROWS), outcome


def test_the_copy_is_looked_at_before_it_takes_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.h5"
    writer = create(path)
    writer.append(block(0, 3))
    monkeypatch.setattr("pcsim.trace.assemble.copy_rows", lambda *_: None)  # pyright: ignore[reportUnknownLambdaType]
    with writer.finish("complete", {}, final()) as trace:  # into the file itself, whose rows are whole
        assert trace.steps.tolist() == [0, 1, 2]
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]
