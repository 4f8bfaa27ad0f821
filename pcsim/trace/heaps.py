"""Look through HDF5's global heaps, where text and references lie: alone of its metadata they have no checksum.

HDF5 goes through a heap object by object, for ever where one of them has no size, as zeroed bytes have. Layout of a
collection: HDF5 File Format Specification 3.0, III.E.
"""

import os
import re
import struct
from pathlib import Path
from typing import IO

_START = re.compile(rb"GCOL\x01\0\0\0")
_HEAD = 16
_BLOCK = 2**17
_OVERLAP = 7
"""Of the blocks that are looked through: one byte less than a start, so that each is found once."""
_OBJECT = struct.Struct("<HHIQ")


def check_heaps(path: Path) -> None:
    """Raise OSError where a collection in a file has an object without a size."""
    with path.open("rb", buffering=0) as file:
        length = left = os.fstat(file.fileno()).st_size
        window = bytearray(_BLOCK)
        for offset in range(0, length, _BLOCK - _OVERLAP):
            file.seek(offset)
            count = file.readinto(window) or 0
            for found in _START.finditer(window, 0, count):
                left -= _checked(file, offset + found.start(), length)
                if left < 0:  # within each other, which would take the square of the length
                    raise OSError("damaged global heap")


def _checked(file: IO[bytes], start: int, length: int) -> int:
    """Return the size of a collection that has an end, 0 where the file is too short for it: HDF5 refuses that."""
    file.seek(start)
    size = int.from_bytes(file.read(_HEAD)[-8:], "little")
    file.seek(start)
    collection = file.read(size) if start + size <= length else b""
    at = _HEAD
    while at + _OBJECT.size <= len(collection):
        index, _, _, held = _OBJECT.unpack_from(collection, at)
        # The free space at the end, object 0, counts its own head.
        step = held if index == 0 else _OBJECT.size + -(-held // 8) * 8
        if step < _OBJECT.size:
            raise OSError("damaged global heap")
        at += step
    return len(collection)
