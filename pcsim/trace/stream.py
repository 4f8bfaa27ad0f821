"""One dataset that grows with a run: its shape, its chunks, and the clock its rows follow."""

from dataclasses import dataclass
from math import prod
from typing import Any, Protocol

import numpy as np

from pcsim.typing import NDArray

CHUNK_BYTES = 256 * 1024
"""Aim for a chunk: small enough that dozens of datasets stay in cache, large enough for few index entries."""
CHUNK_ROWS = 4096


class RowBlock(Protocol):
    """Consecutive rows along one clock, on their way into the streams of that clock."""

    def array(self, path: str) -> NDArray[Any]:
        """Return the array for the stream at `path`, rows first; ValueError where there is none."""
        ...


@dataclass(frozen=True)
class Stream:
    """One dataset that grows along a clock: its path, dimension scales and one row's shape and type."""

    path: str
    dimensions: tuple[str, ...]
    """Paths of the scales of its axes; the first is its clock, which has itself."""
    shape: tuple[int, ...]
    dtype: np.dtype[np.number]
    expected_rows: int | None

    @property
    def clock(self) -> str:
        """Path of the clock its rows follow."""
        return self.dimensions[0]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return prod(self.shape) * self.dtype.itemsize

    @property
    def chunk(self) -> tuple[int, ...]:
        """Chunk shape: whole rows up to CHUNK_BYTES, or part of the samples where one row is larger."""
        rows = min(max(1, CHUNK_BYTES // max(1, self.row_bytes)), CHUNK_ROWS)
        if self.expected_rows is not None:
            rows = min(rows, max(1, self.expected_rows))
        inner = tuple(max(1, n) for n in self.shape)
        if self.row_bytes > 64 * CHUNK_BYTES:
            inner = (max(1, 64 * CHUNK_BYTES * inner[0] // self.row_bytes), *inner[1:])
        return (rows, *inner)

    def chunks_for(self, rows: int) -> int:
        """Return the number of chunks that `rows` rows occupy."""
        return prod(-(-n // c) for n, c in zip((rows, *self.shape), self.chunk, strict=True))

    @property
    def chunk_bytes(self) -> int:
        """Bytes of one chunk on disk."""
        return prod(self.chunk) * self.dtype.itemsize


def by_clock(growing: list[Stream]) -> dict[str, list[Stream]]:
    """Return the streams of every clock, in the order given."""
    found: dict[str, list[Stream]] = {}
    for stream in growing:
        found.setdefault(stream.clock, []).append(stream)
    return found
