"""Trace files by path: checks before one is made, atomic publication, and opening with one clear error."""

import contextlib
import os
import re
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from pcsim.errors import UsageError, did_you_mean, is_short_of_memory, out_of_memory
from pcsim.trace.layout import FORMAT
from pcsim.trace.objects import read_attribute, read_attributes
from pcsim.trace.opening import is_hdf5, open_snapshot, open_to_read
from pcsim.trace.owner import living_writer, may_be_written
from pcsim.trace.snapshot import is_cut, left_by_writer
from pcsim.trace.space import abandon, why

_PAUSES = (0.02, 0.1, 0.3)
_CHUNKS = 2**26

DAMAGE = (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, OverflowError)
"""What h5py raises on files that are not as they should be."""


def check_target(path: Path, force: bool) -> Path:
    """Return the resolved path if a trace can be made there; UsageError with the fix otherwise."""
    try:
        target = path.resolve()
        exists, folder = target.exists(), target.parent
    except (OSError, RuntimeError) as error:
        raise UsageError(f"cannot write {path}: {error}; choose another name with -o") from None
    if target.is_dir():
        raise UsageError(f"{path} is a directory; name a file in it, such as -o {path / 'trace.h5'}")
    if not folder.is_dir():
        raise UsageError(f"the folder {folder} does not exist; make it or choose another place with -o")
    if exists and not target.is_file():
        raise UsageError(f"{path} is not a regular file; choose another name with -o")
    if exists and not force:
        raise UsageError(f"{path} exists; choose another name with -o or add --force")
    if not os.access(folder, os.W_OK | os.X_OK) or (exists and not os.access(target, os.W_OK)):
        raise UsageError(f"no permission to write {path}; choose another place with -o")
    pid = _writer_of(target) if exists else None
    if pid is not None:
        raise UsageError(f"{path} is being written by process {pid}; stop it or choose another name with -o")
    return target


def check_replaceable(path: Path) -> None:
    """Raise `UsageError` for a file that is no trace, such as a scenario: replacing it would be a slip."""
    if path.is_file() and path.stat().st_size > 0 and (not is_hdf5(path) or _is_foreign(path)):
        raise UsageError(f"{path} is not a trace, and only traces are replaced; choose another name with -o")


def _is_foreign(path: Path) -> bool:
    """Tell whether a file of HDF5 that can be read says that it is no trace."""
    try:
        with _open(path) as file:
            return read_attribute(file, "format") != FORMAT
    except (*DAMAGE, UsageError):
        return False


def _writer_of(path: Path) -> int | None:
    if not left_by_writer(path):
        return None
    try:
        with open_file(path) as file:
            return living_writer(read_attributes(file))
    except UsageError:
        return None


@contextlib.contextmanager
def closing(file: Any) -> Generator[Any]:
    """Close an HDF5 file that is written to, whatever happens; a failed write is raised, not retried."""
    try:
        yield file
        file.close()
    except Exception as error:
        raise getattr(file, "failure", None) or error from None
    finally:
        abandon(file)


@contextlib.contextmanager
def abandoned_on_error(file: Any) -> Generator[None]:
    """Close an HDF5 file where something goes wrong, so that HDF5 does not write to it again."""
    try:
        yield
    except BaseException:
        abandon(file)
        raise


def open_file(path: Path) -> Any:
    """Open a trace for reading as an `h5py.File`, also while it is written or after its writer was killed.

    UsageError, one line, for a missing, unreadable, damaged or foreign file.
    """
    _check_readable(path)
    try:
        file = _open(path)
    except DAMAGE as error:
        raise damaged(path, error) from None
    try:
        found = read_attribute(file, "format")  # file.attrs.get takes a damaged attribute for a missing one
    except DAMAGE as error:
        file.close()
        raise damaged(path, error) from None
    if found != FORMAT:
        file.close()
        raise UsageError(f"{path} is an HDF5 file but not a pcsim trace (no attribute format = '{FORMAT}')")
    return file


@contextlib.contextmanager
def reading(path: Path | None) -> Generator[None]:
    """Raise UsageError, one line, where what is read within is not as it should be."""
    try:
        yield
    except DAMAGE as error:
        raise damaged(path, error) from None


def damaged(path: Path | None, error: BaseException) -> UsageError:
    """Return the error for a file that HDF5 cannot read, with HDF5's reason in a few words."""
    # HDF5 rarely says what it failed for.
    if re.search("memory allocation failed|annot allocate memory", str(error)) or is_short_of_memory(_CHUNKS):
        return UsageError(f"{path}: {out_of_memory(error, 'close other programs, or read it on a larger machine')}")
    if "unable to lock file" in str(error):
        return UsageError(
            f"{path} cannot be locked ({why(error)}): close it in the program that writes it, or set "
            "HDF5_USE_FILE_LOCKING=FALSE where its file system has no locks"
        )
    reason = re.search(r"\((.*?)[,)]", str(error).replace("\n", " "))
    words = reason[1] if reason else str(error)
    return UsageError(f"{path} is damaged or truncated ({words}); write it again, or use another copy")


def _check_readable(path: Path) -> None:
    try:
        if path.is_dir():
            raise UsageError(f"{path} is a directory; name a trace file in it")
        if not path.exists():
            others = [other.name for other in path.parent.glob("*.h5")] if path.parent.is_dir() else []
            raise UsageError(f"no trace at {path}{did_you_mean(path.name, others)}")
        if not path.is_file():
            raise UsageError(f"{path} is not a regular file; name a trace file")
        with path.open("rb"):
            pass
        if not is_hdf5(path):
            raise UsageError(f"{path} is not an HDF5 file; name a trace that pcsim wrote")
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None


def _open(path: Path) -> Any:
    try:
        return open_to_read(path)
    except OSError:
        if not left_by_writer(path):
            raise
    for pause in _PAUSES:
        try:
            return _open_unclosed(path)
        except DAMAGE:  # perhaps read in the middle of a write
            time.sleep(pause)
    return open_snapshot(path)


def _open_unclosed(path: Path) -> Any:
    file = open_snapshot(path)
    if not may_be_written(read_attributes(file)):
        return file
    file.close()
    if is_cut(path):
        raise OSError("truncated file")
    return open_to_read(path, swmr=True)


def identity(path: Path | None) -> tuple[int, int] | None:
    """Return what tells a file from another one put under its name; None where there is no file."""
    try:
        return None if path is None else (path.stat().st_dev, path.stat().st_ino)
    except OSError:
        return None
