"""The IDX format of the MNIST files: two zero bytes, a type, the number of axes, their sizes, the values."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8

from pcsim.datasets.archive import open_data
from pcsim.errors import UsageError

_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, axes: int) -> UInt8[np.ndarray, "..."]:
    """Return the unsigned bytes of an IDX file, gzip-compressed or not, as an array of that many axes.

    Raises UsageError for a file that is missing, truncated, too long, or not such an IDX file.
    Source: http://yann.lecun.com/exdb/mnist/, "The IDX file format".
    """
    with open_data(path, "an IDX file of the MNIST layout") as handle:
        content = _decompressed(handle, path)
    start = 4 + 4 * axes
    magic = bytes((0, 0, _UNSIGNED_BYTE, axes))
    if content[:4] != magic:
        raise UsageError(
            f"{path}: starts with the bytes '{content[:4].hex(' ')}', not '{magic.hex(' ')}' (IDX, unsigned"
            f" bytes, {axes} axes); check which file this is, or fetch it again"
        )
    if len(content) < start:
        raise UsageError(f"{path}: truncated within its header ({len(content)} bytes of {start}); fetch it again")
    shape = struct.unpack(f">{axes}I", content[4:start])
    expected = start + math.prod(shape)
    if len(content) != expected:
        problem = "truncated" if len(content) < expected else "too long"
        raise UsageError(
            f"{path}: {problem}: {len(content)} bytes where its header, shape {shape}, means {expected}; fetch it again"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _decompressed(handle: IO[bytes], path: Path) -> bytes:
    # told by content, not by suffix: some programs decompress a download and keep its .gz name
    try:
        compressed = handle.read(2) == _GZIP_MAGIC
        handle.seek(0)
        if not compressed:
            return handle.read()
        with gzip.GzipFile(fileobj=handle) as stream:
            return stream.read()
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: truncated or damaged ({error}); fetch it again") from None
