"""What an archive says of its arrays, checked against the file's own length before anything is unpacked."""

import os
import zipfile
from math import prod
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from pcsim.errors import UsageError

SPARE_BYTES = 2**28
MOST_UNPACKED = 100
"""An array may take so many times the length of its file, or the spare bytes: real data hardly shrink by more."""
_READERS: dict[tuple[int, int], Any] = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def check_unpacked(size: int, file: IO[bytes], what: str) -> None:
    """Raise UsageError where so many bytes are more than can be in a file; `what` begins the line."""
    length = os.fstat(file.fileno()).st_size
    if size > max(SPARE_BYTES, MOST_UNPACKED * length):
        raise UsageError(
            f"{what} claims {size:,} bytes, in a file of {length:,}: no data are so much smaller compressed; store them"
            " uncompressed, or fetch the file again"
        )


def array_shape(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """Return the shape in the header of an .npy member; ValueError where the member has another length."""
    member = archive.getinfo(name)
    with archive.open(member) as file:
        version = npy.read_magic(file)
        if version not in _READERS:
            raise ValueError(f"its header is of version {version[0]}.{version[1]}, read are 1.0 and 2.0")
        shape, _, dtype = _READERS[version](file)
        begin = file.tell()
    size = prod(shape) * np.dtype(dtype).itemsize
    # Of Python objects, which are never loaded, the header says no length.
    if not np.dtype(dtype).hasobject and begin + size != member.file_size:
        raise ValueError(f"its header, shape {shape}, means {begin + size:,} bytes, it has {member.file_size:,}")
    return shape
