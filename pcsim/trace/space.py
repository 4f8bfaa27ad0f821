"""Room on disk: asked for before HDF5 writes, since HDF5 cannot be closed after a write that failed.

A safeguard that the platform has not got is left out (docs/traces.md says which).
"""

import contextlib
import ctypes
import errno
import os
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any

from pcsim.errors import UsageError

resource: Any
try:
    import resource
except ImportError:  # not POSIX
    resource = None

POSIX = os.name == "posix"
_KEEP_SIZE = 1
_NO_ROOM = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


def readable_size(size: int | float) -> str:
    """Return bytes in words: `3.2 MB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def reserve(descriptor: int, upto: int) -> bool:
    """Reserve the file's blocks up to byte `upto`, its size unchanged; False where that cannot be done.

    Honours quotas, full disks and the process's file size limit: OSError (ENOSPC, EDQUOT, EFBIG). Where the
    file system cannot reserve it does nothing; posix_fallocate would write every block there instead.
    """
    if resource is not None:
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
        if limit != resource.RLIM_INFINITY and upto > limit:
            raise OSError(errno.EFBIG, f"file size limit of {readable_size(limit)} (ulimit -f)")
    fallocate = _fallocate()
    if fallocate is None:
        return False
    fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)
    if fallocate(descriptor, _KEEP_SIZE, 0, max(1, upto)) == 0:
        return True
    if ctypes.get_errno() in _NO_ROOM:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()).lower())
    return False


@cache
def _fallocate() -> Any:
    """Return the C library's function, None where there is none."""
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)
    except TypeError:  # Windows has no library of the process itself
        return None


def why(error: BaseException) -> str:
    """Return the reason in an error of the system or of HDF5, in a few words."""
    inner = re.search(r"error message = '([^']+)'", str(error))
    if inner:
        return inner[1].lower()
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)


def check_room(probe: Path, needed: int, reclaimed: int) -> None:
    """Make sure that `needed` bytes fit beside `probe`, a new file, once `reclaimed` bytes of a replaced one are free.

    UsageError when they do not, or when no file can be made there.
    """
    folder = probe.parent
    wanted = max(0, needed - reclaimed)
    advice = "record less ([trace] record, every) or write elsewhere with -o"
    free = shutil.disk_usage(folder).free
    try:
        descriptor = os.open(probe, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except OSError as error:
        raise UsageError(f"cannot write in {folder}: {why(error)}; choose another place with -o") from None
    try:
        if wanted > free:
            raise OSError(errno.ENOSPC, "no space left on device")
        reserve(descriptor, wanted)
    except OSError as error:
        found = f"{readable_size(free + reclaimed)} are free in {folder}"
        if error.errno != errno.ENOSPC:
            found = f"{folder} does not take that much: {error.strerror}"
        raise UsageError(f"the trace needs about {readable_size(needed)}, {found}; {advice}") from None
    finally:
        os.close(descriptor)
        probe.unlink()


def allocated_bytes(path: Path) -> int:
    """Return how many bytes of the disk a file has, 0 where there is none."""
    if not path.exists():
        return 0
    stat = path.stat()
    return stat.st_blocks * 512 if hasattr(stat, "st_blocks") else stat.st_size


def release_reserved(path: Path) -> None:
    """Give back blocks reserved beyond the end of the file."""
    with contextlib.suppress(OSError):
        os.truncate(path, path.stat().st_size)


def abandon(file: Any) -> None:
    """Close an HDF5 file after a failed write: what it still wants to write goes nowhere.

    HDF5 would try the write again on closing and once more when the interpreter exits, and crash there. What
    is on disk stays as the last flush left it.
    """
    if not file:
        return
    if file.driver == "sec2":  # others never write to disk themselves
        with contextlib.suppress(Exception):
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, file.id.get_vfd_handle())
            os.close(nowhere)
    with contextlib.suppress(Exception):
        file.close()
