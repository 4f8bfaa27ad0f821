"""New trace files. Their groups, datasets and scales follow from shapes: made once, copied and filled in from then on.

A run of some milliseconds makes a hundred objects, which takes HDF5 longer than the run; scenarios in a loop mostly
have the same.
"""

import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5f  # pyright: ignore[reportAttributeAccessIssue]

from pcsim.trace.beginning import Arrays
from pcsim.trace.files import abandoned_on_error
from pcsim.trace.layout import Layout
from pcsim.trace.objects import Objects
from pcsim.trace.opening import LIBVER
from pcsim.trace.watched import WatchedFile

MOST_KEPT = 2**23
"""Bytes of arrays, at most, in a file to keep for the next of its kind."""

Shapes = tuple[tuple[str, tuple[int, ...], np.dtype[Any]], ...]


def new_file(path: Path | None, layout: Layout, arrays: Arrays, room: int = 0) -> Any:
    """Return a new file, open for writing, that has all objects and these arrays but no rows and no attributes.

    It is in memory where `path` is None; else `room` bytes are made sure of first. OSError or RuntimeError where the
    disk does not take it.
    """
    if sum(values.nbytes for values in arrays.values()) > MOST_KEPT:
        file = _empty_file() if path is None else WatchedFile(path, "x", room)
        with abandoned_on_error(file):
            _fill(file, layout, arrays)
        return file
    parts = _blank(layout, tuple((name, values.shape, values.dtype) for name, values in arrays.items())).filled(arrays)
    if path is None:
        return h5py.File(h5f.open_file_image(b"".join(parts), h5f.FILE_IMAGE_OPEN_RW))
    with path.open("xb") as raw:
        raw.writelines(parts)
    return WatchedFile(path, "r+", room)


@dataclass(frozen=True)
class _Blank:
    image: bytes
    starts: tuple[tuple[int, str], ...]
    """Where the numbers of every array begin, in order."""

    def filled(self, arrays: Arrays) -> list[Any]:
        """Return the file in parts, bytes of the image and of the arrays in turn."""
        parts, image, done = list[Any](), memoryview(self.image), 0
        for start, name in self.starts:
            values = np.ascontiguousarray(arrays[name])
            parts += [image[done:start], values.view(np.uint8).data]
            done = start + values.nbytes
        return [*parts, image[done:]]


@lru_cache(maxsize=4)
def _blank(layout: Layout, shapes: Shapes) -> _Blank:
    with _empty_file() as file:
        _fill(file, layout, {name: np.zeros(shape, dtype) for name, shape, dtype in shapes})
        file.flush()
        starts = sorted((file[name].id.get_offset(), name) for name, shape, _ in shapes if 0 not in shape)
        return _Blank(file.id.get_file_image(), tuple(starts))


def _fill(file: Any, layout: Layout, arrays: Arrays) -> None:
    objects = Objects(file, layout)
    objects.write_scales()
    objects.write_streams()
    objects.write_arrays(arrays)
    file.create_group("provenance")


def _empty_file() -> Any:
    # two open in-memory files of one name would be the same file to HDF5
    return h5py.File(secrets.token_hex(8), "w", driver="core", backing_store=False, libver=LIBVER)
