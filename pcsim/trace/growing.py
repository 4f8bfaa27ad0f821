"""A trace file that grows: each row that was put into it is safe from `kill -9`, and soon from a power cut."""

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from pcsim.errors import RunFailed
from pcsim.trace.atomic import sync_folder
from pcsim.trace.beginning import Arrays
from pcsim.trace.files import identity, open_file
from pcsim.trace.journal import Journal
from pcsim.trace.layout import Layout, streams
from pcsim.trace.objects import read_attribute
from pcsim.trace.owner import TOKEN
from pcsim.trace.rows import rows_in_words
from pcsim.trace.space import POSIX, abandon, reserve, why
from pcsim.trace.stream import Stream, by_clock

SYNC_SECONDS = 5.0
"""Rows are on disk, safe from a power cut, so many seconds after the last ones were."""
SYNC_SHARE = 20
"""Or so many times as long as that took then: at most a twentieth of a run is spent on waiting for the disk."""
_INDEX_BYTES = 32 * 1024
"""What the growing datasets' indices may take beyond their rows in one append."""


class GrowingFile:
    """The file of a run that is on, open for writing beside readers, at `path`; `tail` bytes come at its end."""

    def __init__(self, file: Any, path: Path, layout: Layout, tail: int) -> None:
        self.path = path
        self.file = file
        self._layout = layout
        self._tail = tail
        self._by_clock = by_clock(streams(layout))
        self._datasets = {stream.path: file[stream.path] for stream in streams(layout)}
        self.rows: dict[str, int] = {clock: self._datasets[clock].shape[0] for clock in self._by_clock}
        self._identity = identity(path)
        self._reserved = 0
        self._journal: Journal | None = None
        self._synced = (time.monotonic(), 0.0)

    def put(self, clock: str, arrays: Arrays) -> None:
        """Write rows along a clock, by path, and flush them; RunFailed when the disk takes no more."""
        growing, count = self._by_clock[clock], len(arrays[clock])
        if count == 0:
            return
        if not self.file:
            raise RunFailed(f"{self.path}: the trace is closed; {rows_in_words(self.rows)} are safe")
        try:
            self._reserve(growing, count)
        except OSError as error:
            raise self._full(error) from None
        try:
            if self._journal is None:
                # Before HDF5 writes over anything.
                token = read_attribute(self.file, TOKEN)
                self._journal = Journal(self.path, token, self._layout, self._datasets)
            self._write(growing, arrays, self.rows[clock], count)
            self._note(self._journal, growing, arrays, self.rows[clock])
        except (OSError, RuntimeError) as error:
            abandon(self.file)
            raise self._full(error) from None
        self.rows[clock] += count

    def sync(self) -> None:
        """Wait until all rows are on disk, where a power cut does not reach them; RunFailed if it fails."""
        if self._journal is None or not self.file:
            return
        begun = time.monotonic()
        try:
            os.fsync(self.file.id.get_vfd_handle())
            self._journal.sync()
        except OSError as error:
            raise self._full(error) from None
        sync_folder(self.path)
        self._synced = (time.monotonic(), time.monotonic() - begun)

    def source(self) -> Any:
        """Return the file, open, to copy its rows."""
        return self.file if self.file else open_file(self.path)

    @property
    def is_in_place(self) -> bool:
        """Whether the file still has its name."""
        return self._identity == identity(self.path)

    def close(self) -> None:
        """Close the file as it is, without raising; its rows stay."""
        with suppress(Exception):
            self.file.close()
        abandon(self.file)
        if self._journal is not None:
            self._journal.close()

    def _write(self, growing: list[Stream], arrays: Arrays, start: int, count: int) -> None:
        for stream in growing:
            if stream.path == stream.clock:  # the clock says the rows before it are whole
                self.file.flush()
            dataset = self._datasets[stream.path]
            dataset.resize(start + count, axis=0)
            dataset[start:] = arrays[stream.path]
        self.file.flush()

    def _note(self, journal: Journal, growing: list[Stream], arrays: Arrays, start: int) -> None:
        """Enter rows that HDF5 has flushed into the journal, and now and then see to it that they are on disk."""
        journal.add(growing, start, arrays)
        then, cost = self._synced
        if time.monotonic() - then > max(SYNC_SECONDS, SYNC_SHARE * cost):
            self.sync()

    def _reserve(self, growing: list[Stream], count: int) -> None:
        """Reserve room for rows to come and for the end of the run; OSError without it."""
        if not POSIX:
            return
        descriptor = self.file.id.get_vfd_handle()
        rows = self.rows[growing[0].clock]
        chunks = sum((s.chunks_for(rows + count) - s.chunks_for(rows)) * s.chunk_bytes for s in growing)
        upto = os.fstat(descriptor).st_size + chunks + _INDEX_BYTES + self._tail
        if upto > self._reserved:
            reserve(descriptor, upto)
            self._reserved = upto

    def _full(self, error: BaseException) -> RunFailed:
        safe = rows_in_words(self.rows)
        return RunFailed(f"{self.path}: cannot write on ({why(error)}); {safe} are safe", again=True)
