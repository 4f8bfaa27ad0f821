"""Traces as one HTML file, which a colleague opens without installing anything."""

from collections.abc import Sequence
from pathlib import Path

from pcsim.errors import UsageError
from pcsim.figures.files import check_replaceable_figure, write_figure
from pcsim.report.page.content import contents_of, names_of
from pcsim.report.page.document import document
from pcsim.trace import Trace
from pcsim.version import __version__

SUFFIXES = (".html", ".htm")


def view(traces: Sequence[Trace], path: str | Path, *, force: bool = False) -> Path:
    """Write a page of traces, one HTML file that needs nothing beside it, and return its path.

    It shows the energy of every layer over steps, arrivals, findings, how training went, what a study came to, the
    scenario and the machine; several traces are drawn over each other. Of more than 2 MB of numbers stretches of rows
    are drawn by their smallest and largest values, and the page says so. Raises `UsageError` for another ending, a
    path that cannot be written, or where a file is there that pcsim did not make, unless `force` allows to replace it.
    """
    target = Path(path)
    check_page_path(target, force=force)
    contents = contents_of(dict(zip(names_of(traces), traces, strict=True)))
    for content in contents if len(contents) == 1 else ():
        del content["settings"]  # to tell traces apart by
    page = document({"version": __version__, "traces": contents})
    write_figure(target, page.encode(), force=force)
    return target


def check_page_path(path: Path, *, force: bool) -> None:
    """Raise `UsageError` unless a page can be written there."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a page ends in {' or '.join(SUFFIXES)}; name it so with -o")
    if not path.parent.is_dir():
        raise UsageError(f"{path}: the folder {path.parent} does not exist; create it or choose another with -o")
    if path.is_dir():
        raise UsageError(f"{path} is a folder; choose another name with -o")
    check_replaceable_figure(path, force=force)
