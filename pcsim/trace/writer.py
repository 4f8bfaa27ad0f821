"""Write a trace as the run goes: bounded memory, readable meanwhile, each flushed row safe from `kill -9`."""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from pcsim.errors import RunFailed, UsageError
from pcsim.trace.assemble import (
    RUN_ID,
    create_file,
    finish_in_place,
    finished_file,
    replace_by,
    start_file,
    with_own_attributes,
)
from pcsim.trace.atomic import remove_leftovers, sync_folder, temporary_name
from pcsim.trace.beginning import Arrays, Attributes, Beginning
from pcsim.trace.files import check_target, identity, open_file
from pcsim.trace.journal import Journal, check_journal, remove_journal
from pcsim.trace.layout import Block, streams
from pcsim.trace.names import check_trace_name
from pcsim.trace.objects import read_attribute
from pcsim.trace.owner import TOKEN
from pcsim.trace.reader import Trace, open_trace
from pcsim.trace.rows import rows_in_words
from pcsim.trace.space import POSIX, abandon, allocated_bytes, check_room, reserve, why
from pcsim.trace.stream import RowBlock, Stream, by_clock
from pcsim.trace.training import EPOCH, EVALUATION, UPDATE, EpochBlock, EvaluationBlock, UpdateBlock

FINAL_STATUSES = ("complete", "interrupted", "failed")
SYNC_SECONDS = 5.0
"""Rows are on disk, safe from a power cut, so many seconds after the last ones were."""
SYNC_SHARE = 20
"""Or so many times as long as that took then: at most a twentieth of a run is spent on waiting for the disk."""
_INDEX_BYTES = 32 * 1024
"""What the growing datasets' indices may take beyond their rows in one append."""


class TraceWriter:
    """A trace that is being written, made by `create`; a context manager that finishes what was left open.

    A row counts once its clock is on disk, which is written after everything else of that row; rows along
    one clock do not wait for those along another, but what was appended first is safe first. While the run
    is on, the file is in HDF5's single-writer multiple-reader mode; the finished trace is a new file put in
    its place at once, so that readers beside it and a kill at any moment meet one whole file or the other.
    """

    def __init__(self, file: Any, path: Path | None, beginning: Beginning) -> None:
        self.path = path
        self._file = file
        self._beginning = beginning
        self._layout = beginning.layout
        self._tail = beginning.final_bytes
        self.streams = streams(self._layout)
        self.by_clock = by_clock(self.streams)
        self._datasets = {stream.path: file[stream.path] for stream in self.streams}
        self._rows: dict[str, int] = {clock: self._datasets[clock].shape[0] for clock in self.by_clock}
        self._identity = identity(path)
        self._reserved = 0
        self._finished = False
        self._journal: Journal | None = None
        self._synced = (time.monotonic(), 0.0)

    @classmethod
    def create(
        cls,
        path: Path | None,
        beginning: Beginning,
        *,
        force: bool = False,
        begin: Callable[[Any], None] | None = None,
    ) -> "TraceWriter":
        """Make the file, ready for rows; `path` None keeps it in memory.

        `begin` may write first rows into the new file before it gets its name. Raises UsageError, with nothing
        made or changed, where the path cannot be written or the disk is too small for the trace.
        """

        beginning = with_own_attributes(beginning)
        if path is None:
            # Nobody reads it before the end, which makes it anew.
            nothing = Beginning(beginning.layout, {}, {}, {}, {})
            return cls(start_file(None, nothing), None, beginning)
        check_trace_name(path)
        target = check_target(path, force)
        check_journal(target)
        remove_leftovers(target)
        check_room(target.parent / temporary_name(target), beginning.whole_bytes, allocated_bytes(target))
        writer = cls(create_file(target, beginning, begin, force=force), target, beginning)
        remove_journal(target)  # of the trace that was there
        return writer

    @property
    def rows(self) -> int:
        """Rows appended along the clock of inference; they are safe."""
        return self._rows[self._layout.clock]

    @property
    def clock(self) -> str:
        """That of inference, `step` or `time`."""
        return self._layout.clock

    @property
    def updates(self) -> int:
        """Rows appended along `update`, likewise."""
        return self._rows.get(UPDATE, 0)

    @property
    def epochs(self) -> int:
        """Rows appended along `epoch`, likewise."""
        return self._rows.get(EPOCH, 0)

    @property
    def run_id(self) -> str:
        """What tells this run from any other."""
        return str(self._beginning.attributes[RUN_ID])

    def append(self, block: Block) -> None:
        """Write rows and flush them: on return they are safe.

        ValueError for arrays that do not fit the layout; RunFailed when the disk takes no more.
        """
        self._append(self._layout.clock, block)

    def append_updates(self, block: UpdateBlock) -> None:
        """Write rows of updates as `append` does; ValueError where the layout has no training."""
        self._append(UPDATE, block)

    def append_epochs(self, block: EpochBlock) -> None:
        """Write rows of epochs as `append` does; ValueError where the layout has no training."""
        self._append(EPOCH, block)

    def append_evaluations(self, block: EvaluationBlock) -> None:
        """Write rows of evaluations as `append` does; ValueError where the layout has none."""
        self._append(EVALUATION, block)

    def _append(self, clock: str, block: RowBlock) -> None:
        growing = self.by_clock.get(clock)
        if growing is None:
            raise ValueError(f"the layout records no {clock}")
        arrays = {stream.path: block.array(stream.path) for stream in growing}
        count = arrays[clock].shape[0]
        for stream in growing:
            found, allowed = arrays[stream.path].shape, (count, *stream.shape)
            if found != allowed:
                raise ValueError(f"{stream.path}: block of shape {found}, the layout wants {allowed}")
        if count == 0:
            return
        if not self._file:
            raise RunFailed(f"{self.path}: the trace is closed; {self._safe} are safe")
        try:
            self._reserve(growing, count)
        except OSError as error:
            raise self._full(error) from None
        try:
            if self._journal is None and self.path is not None:
                # Before HDF5 writes over anything.
                token = read_attribute(self._file, TOKEN)
                self._journal = Journal(self.path, token, self._layout, self._datasets)
            self._write(growing, arrays, self._rows[clock], count)
            self._note(growing, arrays, self._rows[clock])
        except (OSError, RuntimeError) as error:
            abandon(self._file)
            raise self._full(error) from None
        self._rows[clock] += count

    def _write(self, growing: list[Stream], arrays: Arrays, start: int, count: int) -> None:
        for stream in growing:
            if stream.path == stream.clock:  # the clock says the rows before it are whole
                self._file.flush()
            dataset = self._datasets[stream.path]
            dataset.resize(start + count, axis=0)
            dataset[start:] = arrays[stream.path]
        self._file.flush()

    def _note(self, growing: list[Stream], arrays: Arrays, start: int) -> None:
        """Enter rows that HDF5 has flushed into the journal, and now and then see to it that they are on disk."""
        if self._journal is None:
            return
        self._journal.add(growing, start, arrays)
        then, cost = self._synced
        if time.monotonic() - then > max(SYNC_SECONDS, SYNC_SHARE * cost):
            self.sync()

    def sync(self) -> None:
        """Wait until all rows appended are on disk, where a power cut does not reach them; RunFailed if it fails."""
        if self._journal is None or self.path is None or not self._file:
            return
        begun = time.monotonic()
        try:
            os.fsync(self._file.id.get_vfd_handle())
            self._journal.sync()
        except OSError as error:
            raise self._full(error) from None
        sync_folder(self.path)
        self._synced = (time.monotonic(), time.monotonic() - begun)

    def finish(self, status: str, attributes: Attributes, final: Arrays) -> Trace:
        """Complete the trace and open it for reading.

        `final` holds arrays by their paths below the root. RunFailed when they cannot be written; the rows
        already appended stay readable.
        """
        if status not in FINAL_STATUSES:
            raise ValueError(f"status {status!r}; allowed: {', '.join(FINAL_STATUSES)}")
        self._finished = True
        attributes = {**self._beginning.attributes, **attributes, "status": status}
        if self.path is None:
            file = finished_file(None, replace(self._beginning, attributes=attributes), final, self._file, self._rows)
            self._file.close()
            return Trace(file, None)
        if self._identity != identity(self.path):
            self.close()
            raise RunFailed(f"{self.path} was moved or replaced while the run wrote it; the end is lost")
        try:
            self._replace(self.path, attributes, final)
        except (OSError, RuntimeError):
            self.close()
            self._end_in_place(self.path, attributes, final)
        self.close()
        remove_journal(self.path)
        return open_trace(self.path)

    def close(self) -> None:
        """Close the file as it is, without raising; what was appended stays, the status too."""
        self._finished = True
        with suppress(Exception):
            self._file.close()
        abandon(self._file)
        if self._journal is not None:
            self._journal.close()

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._finished:
            if self.path is not None:
                self.close()
            return
        failed = kind is not None and issubclass(kind, Exception)
        with suppress(RunFailed, UsageError):
            self.finish("failed" if failed else "interrupted", {}, {}).close()

    def _reserve(self, growing: list[Stream], count: int) -> None:
        """Reserve room for rows to come and for the end of the run; OSError without it."""
        if self.path is None or not POSIX:
            return
        descriptor = self._file.id.get_vfd_handle()
        rows = self._rows[growing[0].clock]
        chunks = sum((s.chunks_for(rows + count) - s.chunks_for(rows)) * s.chunk_bytes for s in growing)
        upto = os.fstat(descriptor).st_size + chunks + _INDEX_BYTES + self._tail
        if upto > self._reserved:
            reserve(descriptor, upto)
            self._reserved = upto

    def _replace(self, path: Path, attributes: Attributes, final: Arrays) -> None:
        """Put the finished trace in the place of the one being written."""
        whole, room = replace(self._beginning, attributes=attributes), path.stat().st_size + self._tail
        source = self._file if self._file else open_file(path)

        def write(to: Path) -> Any:
            file = finished_file(to, whole, final, source, self._rows, room)
            if not POSIX:  # a file that is open cannot be replaced there
                source.close()
            return file

        try:
            replace_by(path, write, self._rows)
        except BaseException:
            source.close()
            raise
        abandon(
            source
        )  # a close would write to it once more: torn by a kill before it lost its name, that cost the rows

    def _end_in_place(self, path: Path, attributes: Attributes, final: Arrays) -> None:
        try:
            finish_in_place(path, self._tail, self._layout, attributes, final)
        except (OSError, RuntimeError) as error:
            raise RunFailed(
                f"{path}: the end of the run could not be written ({why(error)}); its {self._safe} are "
                f"safe, `pcsim repair {path}` makes them readable",
                again=True,
            ) from None

    def _full(self, error: BaseException) -> RunFailed:
        return RunFailed(f"{self.path}: cannot write on ({why(error)}); {self._safe} are safe", again=True)

    @property
    def _safe(self) -> str:
        return rows_in_words(self._rows)
