"""Arrays of numbers in MATLAB's files (level 5, what `save` writes by default up to -v7).

SciPy reads these files too, but one wrong byte in one can end the process; nothing here trusts a length or a type.
Source: MathWorks, "MAT-File Format", chapter 1.
"""

import math
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from pcsim.datasets.archive import open_data
from pcsim.datasets.headers import check_unpacked
from pcsim.errors import UsageError
from pcsim.typing import NDArray

_HEADER, _TAG, _WORD = 128, 8, 4
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
"""By the number of a data type."""
_NUMBERS = range(6, 16)
"""Classes of arrays of numbers, double to uint64."""
_COMPLEX = 0x800


def read_mat(path: Path, needed: str, origin: str) -> dict[str, NDArray[Any] | None]:
    """Return the arrays of a file by name, None for what is no array of real numbers.

    Of errors `needed` says what the file should be, `origin` where it can be had. Raises `UsageError` for a file that
    is missing, of another format, truncated or damaged, or that claims more than it can hold.
    """
    with open_data(path, needed) as handle:
        content = memoryview(handle.read())
        if bytes(content[:19]) == b"MATLAB 7.3 MAT-file":
            raise UsageError(
                f"{path}: is of MATLAB 7.3, which is not read; save it with -v7, or fetch it again ({origin})"
            )
        try:
            return dict(_arrays(content, handle, path))
        except (ValueError, struct.error, zlib.error) as error:
            length = os.fstat(handle.fileno()).st_size
            raise UsageError(
                f"{path}: is no MATLAB file, truncated or damaged ({length:,} bytes; {error}); fetch it again "
                f"({origin})"
            ) from None


def _arrays(content: memoryview, handle: IO[bytes], path: Path) -> Iterator[tuple[str, NDArray[Any] | None]]:
    order = {b"IM": "<", b"MI": ">"}.get(bytes(content[126:_HEADER]))
    if order is None:
        raise ValueError("it has no header")
    at = _HEADER
    while at < len(content):
        kind, data, at = _element(content, at, order)
        if kind == _COMPRESSED:
            kind, data = _unpacked(data, order, handle, path)
        if kind == _MATRIX:
            yield _matrix(data, order)


def _unpacked(data: memoryview, order: str, handle: IO[bytes], path: Path) -> tuple[int, memoryview]:
    """Return kind and content of the element that a compressed one holds."""
    stream = zlib.decompressobj()
    kind, size = struct.unpack(f"{order}II", stream.decompress(data, _TAG))
    check_unpacked(size, handle, f"{path}: an array")
    found = stream.decompress(stream.unconsumed_tail, size) if size else b""
    if len(found) < size:
        raise ValueError(f"an array of {size:,} bytes ends after {len(found):,}")
    return kind, memoryview(found)


def _element(data: memoryview, at: int, order: str) -> tuple[int, memoryview, int]:
    """Return kind and content of the element at a place, and where the next begins."""
    kind, size = struct.unpack_from(f"{order}II", data, at)
    begin, after = at + _TAG, at + _TAG + size + (0 if kind == _COMPRESSED else -size % _TAG)
    if kind >> 16:  # a few bytes lie in the tag itself
        kind, size, begin, after = kind & 0xFFFF, kind >> 16, at + _WORD, at + _TAG
    if begin + size > min(len(data), after):
        raise ValueError(f"an element of {size:,} bytes where there are {len(data) - begin:,}")
    return kind, data[begin : begin + size], after


def _matrix(data: memoryview, order: str) -> tuple[str, NDArray[Any] | None]:
    """Return name and numbers of an array, None where it holds others."""
    kinds = [0, 0, 0]
    kinds[0], flags, at = _element(data, 0, order)
    kinds[1], sizes, at = _element(data, at, order)
    kinds[2], name, at = _element(data, at, order)
    if kinds != [_UINT32, _INT32, _INT8] or len(flags) != _TAG or len(sizes) % _WORD:
        raise ValueError(f"an array begins with elements of the types {kinds}")
    said = bytes(name).decode("ascii", errors="backslashreplace")
    number, shape = struct.unpack_from(f"{order}I", flags)[0], struct.unpack(f"{order}{len(sizes) // _WORD}i", sizes)
    if number & 0xFF not in _NUMBERS or number & _COMPLEX:
        return said, None
    kind, values, _ = _element(data, at, order)
    if kind not in _TYPES:
        raise ValueError(f"the numbers of {said!r} are of type {kind}")
    dtype = np.dtype(f"{order}{_TYPES[kind]}")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(values):
        raise ValueError(f"{said!r} has {len(values):,} bytes for numbers of shape {shape}")
    return said, np.frombuffer(values, dtype).reshape(shape, order="F")
