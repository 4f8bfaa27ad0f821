"""Make a trace whose writer was killed readable by any HDF5 tool, losing no flushed row."""

import os
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pcsim.errors import UsageError
from pcsim.trace.assemble import copied_file, finished_file, replace_by
from pcsim.trace.atomic import remove_leftovers
from pcsim.trace.beginning import Beginning
from pcsim.trace.files import DAMAGE, damaged, open_file
from pcsim.trace.journal import Recovered, recovered, remove_journal
from pcsim.trace.objects import read_attributes, write_attributes
from pcsim.trace.owner import OWNER_ATTRIBUTES, TOKEN, living_writer
from pcsim.trace.reader import open_trace
from pcsim.trace.rows import rows_in_words
from pcsim.trace.snapshot import left_by_writer
from pcsim.trace.space import why

_GIVEN = ("network", "data")


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
        if self.repaired and not any(self.kept.values()):
            return f"{self.path}: its run was killed before its first row, nothing was lost; status {self.status_after}"
        if not self.repaired:
            return f"{self.path}: nothing to repair; {kept}, status {self.status_after}"
        cut = f", {max(self.trimmed.values())} unfinished ones cut off" if self.trimmed else ""
        return f"{self.path}: repaired; {kept} kept{cut}, status {self.status_after}"


def repair(path: Path | str) -> RepairReport:
    """Put a new file with a trace's whole rows in its place, its status `interrupted` where it was running.

    Rows are at least those that its journal vouches for, whatever became of HDF5's own bookkeeping.
    UsageError, the file untouched, while the run still writes it, when it is too damaged or there is no room.
    """
    path = Path(path)
    target = Path(os.path.realpath(path))
    attributes = _attributes(path)
    found = recovered(target, str(attributes.get(TOKEN, "")))
    if found is None:
        report = _copied(path, target)
    else:
        with closing(found):
            report = _whole(path, target, found) or _refilled(path, target, attributes, found)
    remove_leftovers(target)
    remove_journal(target)
    return report


def _attributes(path: Path) -> dict[str, Any]:
    """Return the root attributes of a trace that nobody writes; UsageError of one that is being written."""
    with open_file(path) as file:
        try:
            attributes = read_attributes(file)
        except DAMAGE as error:
            raise damaged(path, error) from None
    pid = living_writer(attributes)
    if pid is not None:
        raise UsageError(
            f"{path} is being written by process {pid}, which is alive; it can be read meanwhile, "
            "wait for the run or stop it before repairing"
        )
    return attributes


def _whole(path: Path, target: Path, found: Recovered) -> RepairReport | None:
    """Copy what HDF5 can read if that is all there ever was."""
    if not found.only_killed:
        return None
    with suppress(UsageError):
        with open_trace(path) as trace:
            all_there = all(trace.rows_by_clock[clock] >= rows for clock, rows in found.rows.items())
        return _copied(path, target) if all_there else None
    return None


def _copied(path: Path, target: Path) -> RepairReport:
    """Copy what HDF5 can read."""
    with open_trace(path) as trace:
        if trace.status != "running" and not left_by_writer(path):
            return RepairReport(path, False, trace.rows, trace.status, trace.status, {}, trace.rows_by_clock)
        after, trimmed = "interrupted" if trace.status == "running" else trace.status, dict[str, int]()

        def write(temporary: Path) -> Any:
            with trace:  # not every platform replaces a file that is open
                room = target.stat().st_size
                file = copied_file(temporary, trace.file, trace.rows_by_clock, room, trimmed)
            write_attributes(file, {"status": after})
            return file

        _replace(path, target, write, trace.rows_by_clock)
        return RepairReport(path, True, trace.rows, trace.status, after, trimmed, trace.rows_by_clock)


def _refilled(path: Path, target: Path, attributes: dict[str, Any], found: Recovered) -> RepairReport:
    """Make the file anew from what stood in it before the first row, which nothing writes over, and the rows."""

    def write(temporary: Path) -> Any:
        with open_file(path) as file:
            network, data = ({name: item[()] for name, item in file.get(group, {}).items()} for group in _GIVEN)
            provenance = read_attributes(file["provenance"])
        own = {name: value for name, value in attributes.items() if name not in OWNER_ATTRIBUTES}
        beginning = Beginning(found.layout, own | {"status": "interrupted"}, network, data, provenance)
        made = finished_file(temporary, beginning, {}, found, found.rows, target.stat().st_size)
        found.close()  # not every platform replaces a file that is open
        return made

    _replace(path, target, write, found.rows)
    rows = found.rows[found.layout.clock]
    return RepairReport(path, True, rows, str(attributes["status"]), "interrupted", {}, found.rows)


def _replace(path: Path, target: Path, write: Callable[[Path], Any], rows: Mapping[str, int]) -> None:
    try:
        replace_by(target, write, rows)
    except DAMAGE as error:
        raise UsageError(f"{path} cannot be repaired and is left as it was: {why(error)}") from None
