"""HDF5 files that are written once, every failed write noticed: HDF5 closes a dataset without a word of it.

It would also try such a write again on closing, and crash when the interpreter exits.
"""

import io
import os
from pathlib import Path
from typing import Any

import h5py

from pcsim.trace.opening import LIBVER
from pcsim.trace.space import reserve


class WatchedFile(h5py.File):
    """A file of HDF5 open for writing, whose `close` raises the OSError of the first write that failed.

    After that one nothing more is written. `room` bytes are made sure of first; OSError without them.
    """

    def __init__(self, path: Path, mode: str, room: int = 0) -> None:
        self.watch = Watch(path.open("xb+" if mode == "x" else "rb+", buffering=0))
        try:
            reserve(self.watch.fileno(), room)
            super().__init__(self.watch, "w" if mode == "x" else mode, libver=LIBVER)
        except BaseException:
            self.watch.close()
            raise

    def close(self) -> None:
        """Close the file; OSError where it is not what it should be."""
        super().close()
        self.watch.close()
        if self.failure is not None:
            raise self.failure

    @property
    def failure(self) -> OSError | None:
        """The first error of a write, whatever became of it in HDF5."""
        return self.watch.error


class Watch(io.RawIOBase):
    """What h5py writes to: a file, and the first error it met."""

    def __init__(self, file: io.FileIO) -> None:
        super().__init__()
        self.error: OSError | None = None
        self._file = file

    def write(self, data: Any, /) -> int:
        """Write all bytes, or keep the error."""
        view = memoryview(data).cast("B")
        try:
            done = len(view) if self.error else 0
            while done < len(view):
                done += self._file.write(view[done:]) or 0
        except OSError as error:
            self.error = error
        return len(view)

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length, or keep the error."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self.error = self.error or error
            return size or 0

    def readinto(self, buffer: Any, /) -> int:
        """Read; bytes that did not get to disk are zero."""
        view = memoryview(buffer).cast("B")
        count = self._file.readinto(view) or 0
        view[count:] = bytes(len(view) - count)
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move to an offset."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the position."""
        return self._file.tell()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()
