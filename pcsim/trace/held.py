"""Rows that wait in memory: a run that is over within a moment is written once, at its end."""

from typing import Any

import numpy as np

from pcsim.trace.beginning import Arrays
from pcsim.trace.layout import Layout, streams
from pcsim.trace.stream import by_clock
from pcsim.typing import NDArray

HOLD_SECONDS = 0.5
"""How long the rows of a run without training may wait: what a kill then costs is repeated in as much time."""
MOST_HELD = 2**24
"""Bytes of a trace, at most, that is put together in memory before it is written."""


class HeldRows:
    """The rows of every stream so far; by path as an HDF5 file has them."""

    def __init__(self, layout: Layout) -> None:
        growing = streams(layout)
        self.rows = dict.fromkeys(by_clock(growing), 0)
        self.nbytes = 0
        self._streams = {stream.path: stream for stream in growing}
        self._blocks: dict[str, list[NDArray[Any]]] = {stream.path: [] for stream in growing}

    def put(self, clock: str, arrays: Arrays) -> None:
        """Keep a copy of rows along a clock, by path."""
        for path, values in arrays.items():
            block = np.array(values, dtype=self._streams[path].dtype)
            self._blocks[path].append(block)
            self.nbytes += block.nbytes
        self.rows[clock] += len(arrays[clock])

    def __getitem__(self, path: str) -> NDArray[Any]:
        blocks, stream = self._blocks[path], self._streams[path]
        if not blocks:
            return np.empty((0, *stream.shape), stream.dtype)
        if len(blocks) > 1:
            self._blocks[path] = blocks = [np.concatenate(blocks)]
        return blocks[0]
