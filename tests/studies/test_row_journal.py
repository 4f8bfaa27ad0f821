"""The rows beside a study: read as far as they are whole, kept from others, and what is said where that fails."""

from pathlib import Path

import numpy as np
import pytest

from pcsim.errors import RunFailed, UsageError
from pcsim.studies.row_journal import RowJournal, read_rows, rows_path
from pcsim.studies.rows import Row

ROWS = [Row(str(i), {"seed": i}, {"energy": np.arange(3.0) + i}) for i in range(3)]


def write(study: Path, count: int = 3) -> None:
    journal = RowJournal(study, keep=False)
    for row in ROWS[:count]:
        journal.append(row)
    journal.close(remove=False)


def test_rows_are_read_up_to_the_first_that_is_not_whole(tmp_path: Path) -> None:
    study = tmp_path / "s.h5"
    assert read_rows(study) == []
    write(study, 2)
    two = rows_path(study).stat().st_size
    write(study)
    whole = rows_path(study).read_bytes()
    for row, read in zip(ROWS, read_rows(study), strict=True):
        assert (row.key, row.values) == (read.key, read.values)
        np.testing.assert_array_equal(read.measured["energy"], row.measured["energy"])
    for damaged in (whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1]), whole[: two + 5]):
        rows_path(study).write_bytes(damaged)
        assert [row.key for row in read_rows(study)] == ["0", "1"]
    rows_path(study).write_bytes(whole[:-1])
    journal = RowJournal(study, keep=True)
    journal.append(ROWS[2])
    journal.close(remove=False)
    assert rows_path(study).read_bytes() == whole
    RowJournal(study, keep=True).close(remove=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_in_their_place_is_left_alone(tmp_path: Path, kind: str) -> None:
    study = tmp_path / "s.h5"
    (tmp_path / "mine").write_text("mine")
    match kind:
        case "file":
            rows_path(study).write_text("mine")
        case "folder":
            rows_path(study).mkdir()
        case _:
            rows_path(study).symlink_to(tmp_path / "mine")
    with pytest.raises(UsageError, match=r"s\.h5\.rows is in the way and holds no rows of pcsim; move it, or write"):
        RowJournal(study, keep=True)
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_study_that_another_is_writing_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="files are not locked here")
    study = tmp_path / "s.h5"
    write(study)
    first = RowJournal(study, keep=True)
    with pytest.raises(UsageError, match=r"s\.h5 is being written by another process; stop that, or choose "):
        RowJournal(study, keep=True)
    first.close(remove=False)
    RowJournal(study, keep=True).close(remove=True)


def test_a_folder_that_has_gone_is_one_line(tmp_path: Path) -> None:
    journal = RowJournal(tmp_path / "gone" / "s.h5", keep=False)
    with pytest.raises(RunFailed, match=r"^cannot write .*s\.h5\.rows: "):
        journal.append(ROWS[0])
