"""Files that appear whole or not at all: written beside their place, put there at once, cleaned up after a kill."""

import contextlib
import os
import platform
import re
import secrets
import zlib
from collections.abc import Generator
from functools import cache
from pathlib import Path

from pcsim.errors import UsageError
from pcsim.trace.owner import is_alive, started
from pcsim.trace.space import POSIX, release_reserved

_TEMPORARY = re.compile(r"\.pcsim-(\d+)-(\d+)-\w+-\w+-\w+\.tmp")


def checkpoint_path(trace: Path) -> Path:
    """Return where the checkpoint of a trace lies: beside it, `TRACE.checkpoint`."""
    return trace.with_name(f"{trace.name}.checkpoint")


def temporary_name(target: Path) -> str:
    """Return a hidden file name that nobody can guess, and that tells for which file and by which process it is."""
    return f".pcsim-{os.getpid()}-{_own_start(os.getpid())}-{_of(target)}-{secrets.token_hex(8)}.tmp"


@contextlib.contextmanager
def replacing(path: Path, *, new: bool = False, synced: bool = True) -> Generator[Path]:
    """Give a path for a file to be made, which in the end takes the place of `path` at once.

    Its bytes are on disk by then, and its name afterwards, unless not `synced`; where anything is raised `path` is as
    it was. UsageError where a `new` file is wanted and there is one by now.
    """
    temporary = path.parent / temporary_name(path)
    try:
        yield temporary
        release_reserved(temporary)
        if synced:
            sync(temporary)
        if path.exists():
            temporary.chmod(path.stat().st_mode & 0o777)
        if not (new and _linked(temporary, path)):
            temporary.replace(path)
        if synced:
            sync_folder(path)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(path: Path) -> None:
    """Remove temporary files for `path` and its checkpoint that killed processes of this host have left."""
    for name in (path, checkpoint_path(path)):
        for leftover in path.parent.glob(f".pcsim-*-{_of(name)}-*.tmp"):
            found = _TEMPORARY.fullmatch(leftover.name)
            if found and int(found[1]) != os.getpid() and not is_alive(int(found[1]), int(found[2])):
                with contextlib.suppress(OSError):
                    leftover.unlink()


def sync(path: Path) -> None:
    """Wait until a file's bytes are on disk; OSError where they do not get there."""
    descriptor = os.open(path, os.O_RDONLY if POSIX else os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the name of a file is on disk, where the platform knows how."""
    with contextlib.suppress(OSError):
        sync(path.parent)


@cache
def _own_start(pid: int) -> int:
    return started(pid) or 0


def _of(target: Path) -> str:
    """Return which file a temporary one is for and on which host, in a length that any file system takes."""
    return f"{zlib.crc32(target.name.encode(errors='surrogateescape')):08x}-{zlib.crc32(platform.node().encode()):08x}"


def _linked(temporary: Path, path: Path) -> bool:
    """Give a file its name unless that is taken: UsageError; False on a file system without hard links."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise UsageError(f"{path} exists; choose another name with -o or add --force") from None
    except OSError:
        return False
    return True
