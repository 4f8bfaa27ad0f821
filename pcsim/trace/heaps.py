"""Look through HDF5's global heaps, where text and references lie: alone of its metadata they have no checksum.

HDF5 goes through a heap object by object, for ever where one of them has no size, as zeroed bytes have. Layout of a
collection: HDF5 File Format Specification 3.0, III.E.
"""

import os
import re
import struct
from pathlib import Path
from typing import IO

_START = re.compile(rb"GCOL\x01")
_HEAD = 16
_BLOCK = 2**17
_OVERLAP = 4
"""Of the blocks that are looked through: one byte less than a start, so that each is found once."""
_OBJECT = struct.Struct("<HHIQ")


def check_heaps(path: Path) -> int:
    """Return how long a text in a file can be, if lengths in it have eight bytes.

    Raises OSError where a collection has an object without a size.
    """
    with path.open("rb", buffering=0) as file:
        length = left = os.fstat(file.fileno()).st_size
        window, longest = bytearray(_BLOCK), 0
        for offset in range(0, length, _BLOCK - _OVERLAP):
            file.seek(offset)
            count = file.readinto(window) or 0
            for found in _START.finditer(window, 0, count):
                size, most = _checked(file, offset + found.start(), length)
                left, longest = left - size, max(longest, most)
                if left < 0:  # within each other, which would take the square of the length
                    raise OSError("damaged global heap")
    return min(longest, length)


def _checked(file: IO[bytes], start: int, length: int) -> tuple[int, int]:
    """Return the size of a collection that has an end, and the most that an object in it can hold.

    Where the file is too short for it they are 0, since HDF5 refuses that, and the length of the file.
    """
    file.seek(start)
    size = int.from_bytes(file.read(_HEAD)[-8:], "little")
    file.seek(start)
    if start + size > length:
        return 0, length
    collection = file.read(size)
    at, most = _HEAD, 0
    while at + _OBJECT.size <= len(collection):
        index, _, _, held = _OBJECT.unpack_from(collection, at)
        # The free space at the end, object 0, counts its own head.
        step = held if index == 0 else _OBJECT.size + -(-held // 8) * 8
        if step < _OBJECT.size:
            raise OSError("damaged global heap")
        at, most = at + step, most if index == 0 else max(most, held)
    return len(collection), most
