"""Where files lie, the shipped ones inside an installed package or beside it in a checkout, and how much memory is."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pcsim.errors import UsageError

resource: Any
try:
    import resource
except ImportError:  # not POSIX
    resource = None

_PACKAGE = Path(__file__).parent


def scenario_dir() -> Path:
    """Return the folder of the shipped scenarios. Raises UsageError where the installation lacks it."""
    return _folder("scenarios")


def data_dir() -> Path:
    """Return the folder of the shipped data. Raises UsageError where the installation lacks it."""
    return _folder("data")


def expanded(path: str | Path) -> Path:
    """Return the path with a leading ~ replaced, or as it is where nobody knows that home."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


def memory_bytes() -> int:
    """Return how much memory this process may have at most: that of the machine, or less where it is limited."""
    found = [sys.maxsize]
    if hasattr(os, "sysconf"):
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    if resource is not None:
        found += [limit for limit in resource.getrlimit(resource.RLIMIT_AS) if limit != resource.RLIM_INFINITY]
    with suppress(OSError, ValueError):  # of a container
        found.append(int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return min(found)


def _folder(name: str) -> Path:
    for folder in (_PACKAGE / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise UsageError(f"this installation of pcsim has no folder '{name}' in or beside {_PACKAGE}; install pcsim again")
