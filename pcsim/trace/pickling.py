"""Traces on their way to another process: by path, and by content what is in memory only."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py

from pcsim.errors import UsageError
from pcsim.trace.reader import Trace, open_trace


def by_path_or_content(trace: Trace) -> tuple[Callable[[Any], Trace], tuple[Path | bytes]]:
    """Return how pickle makes the trace again; `UsageError` for one that was in memory only and is closed."""
    if trace.path is not None:
        return open_trace, (trace.path.absolute(),)
    if not trace.file:
        raise UsageError("the trace is closed, and was in memory only: pickle it before that")
    trace.file.flush()
    return _from_content, (bytes(trace.file.id.get_file_image()),)


def _from_content(image: bytes) -> Trace:
    return Trace(h5py.File(io.BytesIO(image), "r"), None)
