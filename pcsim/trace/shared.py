"""Network and data that a trace does not hold itself, because another one beside it does."""

import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.trace.beginning import Arrays, Beginning
from pcsim.trace.digest import sha256_of
from pcsim.typing import NDArray

HOLDER, TYPE, DIGEST = "shared_in", "shared_type", "shared_sha256"
"""Root attributes: the file's name, the type that the parameters had here, the SHA-256 of all arrays in that type."""
_CHECKSUM = "shared_checksum"
"""In its place in traces from before there were digests: a CRC-32."""


def left_to(holder: str, beginning: Beginning) -> Beginning:
    """Return a beginning without network and data, which the trace with this file name holds as well or wider."""
    (dtype,) = {values.dtype.name for values in beginning.network.values()}
    attributes = {**beginning.attributes, HOLDER: holder, TYPE: dtype, DIGEST: sha256_of(beginning.arrays)}
    return replace(beginning, attributes=attributes, network={}, data={})


def holder_of(path: Path | None, attributes: Mapping[str, Any]) -> Path | None:
    """Return where the trace with the network and data of another one is, None where that has its own."""
    name = str(attributes.get(HOLDER, ""))
    # Nothing but a file beside it: a trace may come from anywhere.
    return path.with_name(name) if path is not None and name and Path(name).name == name else None


def as_left(attributes: Mapping[str, Any], network: Arrays, data: Arrays) -> dict[str, NDArray[Any]] | None:
    """Return arrays of a holder by path as they were when they were left to it; None where it holds others."""
    dtype = np.dtype(str(attributes[TYPE]))
    arrays: dict[str, NDArray[Any]] = {f"network/{name}": values.astype(dtype) for name, values in network.items()}
    arrays |= {f"data/{name}": values for name, values in data.items()}
    if DIGEST in attributes:
        return arrays if sha256_of(arrays) == attributes[DIGEST] else None
    return arrays if _checksum(arrays) == attributes.get(_CHECKSUM) else None


def _checksum(arrays: Arrays) -> int:
    found = 0
    for path in sorted(arrays):
        found = zlib.crc32(np.ascontiguousarray(arrays[path]).tobytes(), zlib.crc32(path.encode(), found))
    return found
