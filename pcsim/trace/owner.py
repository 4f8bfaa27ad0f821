"""Who writes a trace: recorded while the run is on, so that nobody repairs or replaces it meanwhile."""

import os
import platform
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pcsim.trace.space import POSIX

TOKEN = "writer_journal"
"""Tells the file from any other: its journal has the same."""
OWNER_ATTRIBUTES = ("writer_pid", "writer_host", "writer_started", TOKEN)


def owner_attributes() -> dict[str, str | int | float]:
    """Return the root attributes that name this process; they are dropped when the run finishes."""
    return {
        "writer_pid": os.getpid(),
        "writer_host": platform.node(),
        "writer_started": started(os.getpid()) or 0,
        TOKEN: secrets.token_hex(8),
    }


def living_writer(attributes: Mapping[str, Any]) -> int | None:
    """Return the process id of the trace's writer if it is alive on this host and the trace is running."""
    if attributes.get("status") != "running" or attributes.get("writer_host") != platform.node():
        return None
    pid = int(attributes.get("writer_pid", 0))
    return pid if is_alive(pid, int(attributes.get("writer_started", 0))) else None


def is_alive(pid: int, since: int) -> bool:
    """Tell whether a process of this host is alive that started at `since`, 0 where that is unknown."""
    # A process id is used again after a while: the start time tells the process from its successor.
    return pid > 0 and _exists(pid) and (not since or started(pid) == since)


def may_be_written(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a writer may be at work: it is alive, or on another host and cannot be asked."""
    running = attributes.get("status") == "running"
    elsewhere = attributes.get("writer_host", platform.node()) != platform.node()
    return running and (elsewhere or living_writer(attributes) is not None)


def _exists(pid: int) -> bool:
    if not POSIX:  # signal 0 would end the process; a file that another one writes cannot be replaced there
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def started(pid: int) -> int | None:
    """Return the start time in clock ticks since boot; None where unknown or where the process has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else int(fields[19])
