"""What tells arrays from others whatever file they come from: a SHA-256 of their names, types, shapes and bytes."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.typing import NDArray


def sha256_of(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Return the digest of arrays by name, 64 hexadecimal digits, whatever their order."""
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name} {array.dtype.name} {arrays[name].shape}\n".encode())
        found.update(array.reshape(-1).view(np.uint8).data)
    return found.hexdigest()


def sha256_of_file(path: Path) -> str:
    """Return the digest of a file's bytes; OSError where it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shortened(digest: str) -> str:
    """Return as much of a digest as a message shows."""
    return f"{digest[:12]}…"
