"""Write a trace as the run goes: bounded memory, readable meanwhile, each flushed row safe from `kill -9`."""

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
    with_own_attributes,
)
from pcsim.trace.atomic import remove_leftovers, replacing, temporary_name
from pcsim.trace.beginning import Arrays, Attributes, Beginning
from pcsim.trace.files import check_target
from pcsim.trace.growing import GrowingFile
from pcsim.trace.held import MOST_HELD, HeldRows
from pcsim.trace.journal import check_journal, remove_journal
from pcsim.trace.layout import Block, streams
from pcsim.trace.names import check_trace_name
from pcsim.trace.reader import Trace, open_trace
from pcsim.trace.rows import rows_in_words
from pcsim.trace.space import POSIX, abandon, allocated_bytes, check_room, why
from pcsim.trace.stream import RowBlock, by_clock
from pcsim.trace.training import EPOCH, EVALUATION, UPDATE, EpochBlock, EvaluationBlock, UpdateBlock

FINAL_STATUSES = ("complete", "interrupted", "failed")


class TraceWriter:
    """A trace that is being written, made by `create`; a context manager that finishes what was left open.

    A row counts once its clock is on disk, which is written after everything else of that row; rows along
    one clock do not wait for those along another, but what was appended first is safe first. While the run
    is on, the file is in HDF5's single-writer multiple-reader mode; the finished trace is a new file put in
    its place at once, so that readers beside it and a kill at any moment meet one whole file or the other. Rows that
    are held (see `create`) count only once they are `on_disk`.
    """

    def __init__(self, path: Path | None, beginning: Beginning, force: bool, hold: float) -> None:
        self.path = path
        self._beginning = beginning
        self._force = force
        self._layout = beginning.layout
        self.streams = streams(self._layout)
        self.by_clock = by_clock(self.streams)
        self._place: HeldRows | GrowingFile = HeldRows(self._layout)
        self._held_until = time.monotonic() + hold
        self._finished = False

    @classmethod
    def create(
        cls,
        path: Path | None,
        beginning: Beginning,
        *,
        force: bool = False,
        begin: Callable[[Any], None] | None = None,
        hold: float = 0.0,
    ) -> "TraceWriter":
        """Make the file, ready for rows; `path` None keeps it in memory.

        `begin` may write first rows into the new file before it gets its name. Without it rows may be held in memory
        for some seconds, `hold`, and a run that is over by then makes its file at its end. Raises UsageError, with
        nothing made or changed, where the path cannot be written or the disk is too small for the trace.
        """
        beginning = with_own_attributes(beginning)
        if path is None:
            return cls(None, beginning, force, hold)
        check_trace_name(path)
        target = check_target(path, force)
        check_journal(target)
        remove_leftovers(target)
        check_room(target.parent / temporary_name(target), beginning.whole_bytes, allocated_bytes(target))
        writer = cls(target, beginning, force, hold)
        if not hold or beginning.whole_bytes > MOST_HELD:
            writer._make(target, begin)
        return writer

    def _make(self, target: Path, begin: Callable[[Any], None] | None = None) -> GrowingFile:
        """Make the file that rows go into from now on; UsageError where it cannot be made."""
        file = create_file(target, self._beginning, begin, force=self._force)
        self._place = GrowingFile(file, target, self._layout, self._beginning.final_bytes)
        remove_journal(target)  # of the trace that was there
        return self._place

    @property
    def on_disk(self) -> bool:
        """Whether rows that were appended are safe: those of a short run are written once, at its end."""
        return isinstance(self._place, GrowingFile)

    @property
    def rows(self) -> int:
        """Rows appended along the clock of inference; they are safe once they are `on_disk`."""
        return self._place.rows[self._layout.clock]

    @property
    def clock(self) -> str:
        """That of inference, `step` or `time`."""
        return self._layout.clock

    @property
    def updates(self) -> int:
        """Rows appended along `update`, likewise."""
        return self._place.rows.get(UPDATE, 0)

    @property
    def epochs(self) -> int:
        """Rows appended along `epoch`, likewise."""
        return self._place.rows.get(EPOCH, 0)

    @property
    def run_id(self) -> str:
        """What tells this run from any other."""
        return str(self._beginning.attributes[RUN_ID])

    def append(self, block: Block) -> None:
        """Write rows and flush them: on return they are safe, if they are `on_disk`.

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
        if self._finished:
            raise RunFailed(f"{self.path}: the trace is closed; {rows_in_words(self._place.rows)} are safe")
        self._place.put(clock, arrays)
        if self.path is None or not isinstance(self._place, HeldRows):
            return
        if time.monotonic() > self._held_until or self._place.nbytes > MOST_HELD:
            self._put_held(self.path, self._place)

    def _put_held(self, path: Path, held: HeldRows) -> None:
        """Make the file, and write what was held."""
        try:
            check_target(path, self._force)
            file = self._make(path)
        except UsageError as error:
            raise RunFailed(f"{error}; no rows are safe") from None
        for clock, growing in self.by_clock.items():
            file.put(clock, {stream.path: held[stream.path] for stream in growing})

    def sync(self) -> None:
        """Wait until all rows in the file are on disk, safe from a power cut, too; RunFailed if it fails."""
        if isinstance(self._place, GrowingFile):
            self._place.sync()

    def finish(self, status: str, attributes: Attributes, final: Arrays) -> Trace:
        """Complete the trace and open it for reading.

        `final` holds arrays by their paths below the root. RunFailed when they cannot be written; the rows
        already appended stay readable.
        """
        if status not in FINAL_STATUSES:
            raise ValueError(f"status {status!r}; allowed: {', '.join(FINAL_STATUSES)}")
        self._finished = True
        attributes = {**self._beginning.attributes, **attributes, "status": status}
        whole = replace(self._beginning, attributes=attributes)
        if isinstance(self._place, HeldRows):
            file = finished_file(None, whole, final, self._place, self._place.rows)
            return Trace(file, None) if self.path is None else self._written_once(self.path, file)
        if not self._place.is_in_place:
            self.close()
            raise RunFailed(f"{self.path} was moved or replaced while the run wrote it; the end is lost")
        path = self._place.path
        try:
            self._replace(self._place, whole, final)
        except (OSError, RuntimeError):
            self.close()
            self._end_in_place(path, attributes, final)
        self.close()
        remove_journal(path)
        return open_trace(path)

    def _written_once(self, path: Path, whole: Any) -> Trace:
        """Write a finished trace that is in memory to where nothing of it was yet, and return it."""
        try:
            check_target(path, self._force)
            whole.flush()
            with replacing(path, new=not self._force) as temporary, temporary.open("xb") as raw:
                raw.write(whole.id.get_file_image())
            remove_journal(path)  # of the trace that was there
        except (OSError, UsageError) as error:
            words = f"{path}: the trace could not be written ({why(error)}); nothing of it is kept"
            raise RunFailed(words, again=isinstance(error, OSError)) from None
        return Trace(whole, path)

    def close(self) -> None:
        """Close the file as it is, without raising; what is in it stays, the status too."""
        self._finished = True
        if isinstance(self._place, GrowingFile):
            self._place.close()

    def __enter__(self) -> "TraceWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._finished:
            self.close()
            return
        failed = kind is not None and issubclass(kind, Exception)
        with suppress(RunFailed, UsageError):
            self.finish("failed" if failed else "interrupted", {}, {}).close()

    def _replace(self, growing: GrowingFile, whole: Beginning, final: Arrays) -> None:
        """Put the finished trace in the place of the one being written."""
        room = growing.path.stat().st_size + self._beginning.final_bytes
        source = growing.source()

        def write(to: Path) -> Any:
            file = finished_file(to, whole, final, source, growing.rows, room)
            if not POSIX:  # a file that is open cannot be replaced there
                source.close()
            return file

        try:
            replace_by(growing.path, write, growing.rows)
        except BaseException:
            source.close()
            raise
        # A close would write to it once more: torn by a kill before it lost its name, that cost the rows.
        abandon(source)

    def _end_in_place(self, path: Path, attributes: Attributes, final: Arrays) -> None:
        try:
            finish_in_place(path, self._beginning.final_bytes, self._layout, attributes, final)
        except (OSError, RuntimeError) as error:
            safe = rows_in_words(self._place.rows)
            raise RunFailed(
                f"{path}: the end of the run could not be written ({why(error)}); its {safe} are safe, "
                f"`pcsim repair {path}` makes them readable",
                again=True,
            ) from None
