"""The IDX format of the MNIST files: two zero bytes, a type, the number of axes, their sizes, the values."""

import gzip
import math
import os
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import numpy as np
from jaxtyping import UInt8

from pcsim.datasets.archive import open_data
from pcsim.datasets.headers import check_unpacked
from pcsim.errors import UsageError

_UNSIGNED_BYTE = 0x08
_GZIP_MAGIC = b"\x1f\x8b"


def read_idx(path: Path, axes: int) -> UInt8[np.ndarray, "..."]:
    """Return the unsigned bytes of an IDX file, gzip-compressed or not, as an array of that many axes.

    Nothing is read before its header fits the file. Raises UsageError for a file that is missing, truncated, too long,
    or not such an IDX file.
    Source: http://yann.lecun.com/exdb/mnist/, "The IDX file format".
    """
    start, magic = 4 + 4 * axes, bytes((0, 0, _UNSIGNED_BYTE, axes))
    with open_data(path, "an IDX file of the MNIST layout") as handle, _decompressed(handle, path) as content:
        head = content.read(start)
        if head[:4] != magic:
            raise UsageError(
                f"{path}: starts with the bytes '{head[:4].hex(' ')}', not '{magic.hex(' ')}' (IDX, unsigned"
                f" bytes, {axes} axes); check which file this is, or fetch it again"
            )
        if len(head) < start:
            raise UsageError(f"{path}: truncated within its header ({len(head)} bytes of {start}); fetch it again")
        shape = struct.unpack(f">{axes}I", head[4:start])
        size = math.prod(shape)
        means = f"where its header, shape {shape}, means {start + size}; fetch it again"
        if content is handle and (length := os.fstat(handle.fileno()).st_size) != start + size:
            problem = "truncated" if length < start + size else "too long"
            raise UsageError(f"{path}: {problem}: {length} bytes {means}")
        check_unpacked(size, handle, f"{path}: its header")
        body = content.read(size)
        if len(body) < size:
            raise UsageError(f"{path}: truncated: {start + len(body)} bytes {means}")
        if content.read(1):
            raise UsageError(f"{path}: too long: more bytes {means}")
    return np.frombuffer(body, dtype=np.uint8).reshape(shape)


@contextmanager
def _decompressed(handle: IO[bytes], path: Path) -> Generator[IO[bytes]]:
    # told by content, not by suffix: some programs decompress a download and keep its .gz name
    try:
        compressed = handle.read(2) == _GZIP_MAGIC
        handle.seek(0)
        if not compressed:
            yield handle
            return
        with gzip.GzipFile(fileobj=handle) as stream:
            yield cast("IO[bytes]", stream)
    except (OSError, EOFError, zlib.error) as error:
        raise UsageError(f"{path}: truncated or damaged ({error}); fetch it again") from None
