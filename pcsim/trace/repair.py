"""Make a trace whose writer was killed readable by any HDF5 tool, losing no flushed row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pcsim.errors import UsageError
from pcsim.trace.assemble import copied_file, replace_by
from pcsim.trace.atomic import remove_leftovers
from pcsim.trace.files import DAMAGE
from pcsim.trace.objects import write_attributes
from pcsim.trace.owner import living_writer
from pcsim.trace.reader import Trace, open_trace
from pcsim.trace.rows import rows_in_words
from pcsim.trace.snapshot import left_by_writer
from pcsim.trace.space import why


@dataclass(frozen=True)
class RepairReport:
    """What `repair` found and did."""

    path: Path
    repaired: bool
    """False where there was nothing to repair."""
    rows: int
    """Rows kept, along the clock of inference."""
    status_before: str
    status_after: str
    trimmed: Mapping[str, int] = field(default_factory=dict[str, int])
    """Rows cut off each dataset because others lacked them: never flushed, so not known to be whole."""
    kept: Mapping[str, int] = field(default_factory=dict[str, int])
    """Rows kept along every clock, by its path."""

    def __str__(self) -> str:
        kept = rows_in_words(self.kept)
        if not self.repaired:
            return f"{self.path}: nothing to repair; {kept}, status {self.status_after}"
        cut = f", {max(self.trimmed.values())} unfinished ones cut off" if self.trimmed else ""
        return f"{self.path}: repaired; {kept} kept{cut}, status {self.status_after}"


def repair(path: Path | str) -> RepairReport:
    """Put a new file with a trace's whole rows in its place, its status `interrupted` where it was running.

    UsageError, the file untouched, while the run still writes it, when it is too damaged or there is no room.
    """
    path = Path(path)
    with open_trace(path) as trace:
        _refuse_living(trace)
        if trace.status != "running" and not left_by_writer(path):
            return RepairReport(path, False, trace.rows, trace.status, trace.status, {}, trace.rows_by_clock)
        after = "interrupted" if trace.status == "running" else trace.status

        target, trimmed = path.resolve(), dict[str, int]()

        def write(temporary: Path) -> Any:
            with trace:  # not every platform replaces a file that is open
                room = target.stat().st_size
                file = copied_file(temporary, trace.file, trace.rows_by_clock, room, trimmed)
            write_attributes(file, {"status": after})
            return file

        try:
            replace_by(target, write, trace.rows_by_clock)
        except DAMAGE as error:
            raise UsageError(f"{path} cannot be repaired and is left as it was: {why(error)}") from None
        remove_leftovers(target)
        return RepairReport(path, True, trace.rows, trace.status, after, trimmed, trace.rows_by_clock)


def _refuse_living(trace: Trace) -> None:
    pid = living_writer(trace.attributes)
    if pid is not None:
        raise UsageError(
            f"{trace.path} is being written by process {pid}, which is alive; it can be read meanwhile, "
            "wait for the run or stop it before repairing"
        )
