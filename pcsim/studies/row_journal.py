"""The rows of a study while it runs: a file beside it that only grows, whole up to the last row whatever ends that.

A row is the length of its bytes and their checksum, then an `.npz` of what was measured, with all else as JSON.
"""

import io
import json
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pcsim.errors import RunFailed, UsageError
from pcsim.studies.rows import Row
from pcsim.trace.space import why

MAGIC = b"pcsim-rows 1\n"
_FRAME = struct.Struct("<QI")
_REST = "row.json"
_STRANGE = (ValueError, KeyError, TypeError, OSError, EOFError)
"""What reading raises where bytes are not those of a row."""

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


def rows_path(study: Path) -> Path:
    """Return where the rows of a study lie while it runs: beside it, `STUDY.rows`."""
    return study.with_name(f"{study.name}.rows")


def check_rows(study: Path) -> None:
    """Raise `UsageError` where something else has the name of a study's rows."""
    path = rows_path(study)
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file() or not _is_ours(path)):
        raise UsageError(f"{path} is in the way and holds no rows of pcsim; move it, or write elsewhere with -o")


def _is_ours(path: Path) -> bool:
    with path.open("rb") as file:
        return MAGIC.startswith(file.read(len(MAGIC)))


def read_rows(study: Path) -> list[Row]:
    """Return the rows that are beside a study, up to the first that is not whole."""
    check_rows(study)
    path = rows_path(study)
    if not path.exists():
        return []
    with path.open("rb") as file:
        return [row for row, _ in _frames(file)]


def _frames(file: BinaryIO) -> Iterator[tuple[Row, int]]:
    """Yield whole rows, and where each ends."""
    if file.read(len(MAGIC)) != MAGIC:
        return
    while len(head := file.read(_FRAME.size)) == _FRAME.size:
        length, checksum = _FRAME.unpack(head)
        packed = file.read(min(length, os.fstat(file.fileno()).st_size))
        if len(packed) < length or zlib.crc32(packed) != checksum:
            return
        try:
            row = _unpacked(packed)
        except _STRANGE:
            return
        yield row, file.tell()


class RowJournal:
    """Rows that are on disk once they are appended; the file is there from the first on."""

    def __init__(self, study: Path, *, keep: bool) -> None:
        """Go on after the rows that are there where it is to `keep` them; UsageError where another process is at it."""
        check_rows(study)
        self._study, self._path = study, rows_path(study)
        self._file: BinaryIO | None = None
        if self._path.exists():
            self._file = self._opened(keep)

    def append(self, row: Row) -> None:
        """Add a row; RunFailed where the disk does not take it."""
        packed = _packed(row)
        self._file = self._file or self._opened(keep=False)
        self._write(self._file, _FRAME.pack(len(packed), zlib.crc32(packed)) + packed)

    def _opened(self, keep: bool) -> BinaryIO:
        try:
            file = self._path.open("r+b" if self._path.exists() else "x+b")
        except OSError as error:
            raise RunFailed(f"cannot write {self._path}: {why(error)}") from None
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            if isinstance(error, BlockingIOError):
                text = f"{self._study} is being written by another process; stop that, or choose -o"
                raise UsageError(text) from None
            raise RunFailed(f"cannot write {self._path}: {why(error)}") from None
        end = max((end for _, end in _frames(file)), default=0) if keep else 0
        file.seek(end)
        file.truncate()
        if not end:
            self._write(file, MAGIC)
        return file

    def _write(self, file: BinaryIO, data: bytes) -> None:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise RunFailed(f"{self._path}: cannot write on ({why(error)}); what was finished before is safe") from None

    def close(self, *, remove: bool) -> None:
        """Close the file, and remove it where the study itself holds all rows."""
        if self._file is not None:
            if remove:
                self._path.unlink(missing_ok=True)
            with suppress(OSError):  # what a full disk did not take is tried again, and was reported
                self._file.close()


def _packed(row: Row) -> bytes:
    rest = {name: value for name, value in vars(row).items() if name != "measured"}
    rest["names"] = list(row.measured)
    with io.BytesIO() as buffer:
        arrays: dict[str, Any] = {f"m{i}": values for i, values in enumerate(row.measured.values())}
        arrays[_REST] = np.array(json.dumps(rest))
        np.savez(buffer, **arrays)
        return buffer.getvalue()


def _unpacked(packed: bytes) -> Row:
    with np.load(io.BytesIO(packed), allow_pickle=False) as archive:
        rest = json.loads(str(archive[_REST]))
        measured = {name: archive[f"m{i}"] for i, name in enumerate(rest.pop("names"))}
    return Row(**rest, measured=measured)
