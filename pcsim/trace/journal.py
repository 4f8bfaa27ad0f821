"""The journal of a trace that is being written: which rows are on disk, where, and a checksum of each block.

HDF5 writes over its own bookkeeping, and a write torn by a kill or a power cut costs every row. Rows themselves lie in
chunks that never move; the journal, which only grows, says where. One line of JSON a block, after its own checksum.
"""

import json
import os
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.trace.beginning import Arrays
from pcsim.trace.layout import Layout, as_words, from_words, streams
from pcsim.trace.stream import CHUNK_ROWS, Stream, by_clock
from pcsim.typing import NDArray

FORMAT = "pcsim-journal"
_START = b'{"format":"pcsim-journal"'
_STRANGE = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What reading raises where words are not those of a journal."""
_CHECKSUM = 9
"""Bytes of a line before its text."""


def journal_path(trace: Path) -> Path:
    """Return where the journal of a trace lies while it is written: beside it, `TRACE.journal`."""
    real = Path(os.path.realpath(trace))  # unlike Path.resolve it takes links in a circle
    return real.with_name(f"{real.name}.journal")


def check_journal(trace: Path) -> None:
    """Raise UsageError where something else has the name of a trace's journal."""
    path = journal_path(trace)
    if os.path.lexists(path) and (path.is_symlink() or not path.is_file() or not _is_ours(path)):
        raise UsageError(f"{path} is in the way and no journal of pcsim; move it, or write elsewhere with -o")


def remove_journal(trace: Path) -> None:
    """Remove the journal of a trace that is whole without it; UsageError as `check_journal` raises it."""
    check_journal(trace)
    journal_path(trace).unlink(missing_ok=True)


def _is_ours(path: Path) -> bool:
    """Tell whether a file begins as a journal, of which a kill may have left any part."""
    with path.open("rb") as file:
        start = file.read(_CHECKSUM + len(_START))
    return re.fullmatch(rb"[0-9a-f]*", start[:8]) is not None and _START.startswith(start[_CHECKSUM:])


class Journal:
    """A journal that grows with a trace; `datasets` are those of its streams. OSError where it cannot be written."""

    def __init__(self, trace: Path, token: str, layout: Layout, datasets: Mapping[str, Any]) -> None:
        self._datasets = datasets
        self._listed = dict.fromkeys(datasets, 0)
        self._file = journal_path(trace).open("xb", buffering=0)
        self._add({"format": FORMAT, "token": token, "boot": _boot(), "layout": as_words(layout)})
        for clock, growing in by_clock(streams(layout)).items():  # a resumed run begins with rows
            for start in range(0, datasets[clock].shape[0], CHUNK_ROWS):
                self.add(growing, start, {s.path: datasets[s.path][start : start + CHUNK_ROWS] for s in growing})

    def add(self, growing: list[Stream], start: int, arrays: Arrays) -> None:
        """Note a block of rows, from row `start` of the streams of one clock, that HDF5 has flushed."""
        end = start + len(arrays[growing[0].path])
        found = {
            "clock": growing[0].clock,
            "rows": [start, end],
            "checksum": _checksum(growing, arrays),
            "chunks": {stream.path: self._new_chunks(stream, end) for stream in growing},
        }
        self._add(found)

    def sync(self) -> None:
        """Wait until all that was noted is on disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _add(self, found: Mapping[str, Any]) -> None:
        text = json.dumps(found, separators=(",", ":")).encode()
        left = memoryview(b"%08x %b\n" % (zlib.crc32(text), text))
        while left:
            left = left[self._file.write(left) :]

    def _new_chunks(self, stream: Stream, rows: int) -> list[int]:
        """Return where the chunks begin that rows up to here needed and that were not listed yet."""
        (length, *inner), before = stream.chunk, self._listed[stream.path]
        self._listed[stream.path] = after = -(-rows // length)
        look_up = self._datasets[stream.path].id.get_chunk_info_by_coord
        across = [range(0, n, c) for n, c in zip(stream.shape, inner, strict=True)]
        return [look_up((k * length, *at)).byte_offset for k in range(before, after) for at in product(*across)]


class Recovered:
    """The rows that a journal vouches for, read from the trace's chunks; by path as a trace's file has them."""

    def __init__(self, trace: Path, layout: Layout, only_killed: bool, blocks: list[dict[str, Any]]) -> None:
        self.layout = layout
        self.only_killed = only_killed
        """Whether the machine has been up since: then everything that was written is in the file."""
        self._file = trace.open("rb")
        self._length = trace.stat().st_size
        self._streams = {stream.path: stream for stream in streams(layout)}
        self._chunks: dict[str, list[int]] = {path: [] for path in self._streams}
        self.rows = dict.fromkeys(by_clock(streams(layout)), 0)
        for block in blocks:
            with suppress(*_STRANGE, IndexError, OSError):
                self._take(block)

    def __getitem__(self, path: str) -> "RecoveredRows":
        return RecoveredRows(self, self._streams[path], self.rows[self._streams[path].clock])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, stream: Stream, start: int, stop: int) -> NDArray[Any]:
        """Return some rows of a stream, whole or not."""
        (length, *inner), found = stream.chunk, np.empty((stop - start, *stream.shape), stream.dtype)
        across = list(product(*(range(0, n, c) for n, c in zip(stream.shape, inner, strict=True))))
        for k in range(start // length, -(-stop // length)):
            first, last = max(start, k * length), min(stop, (k + 1) * length)
            for j, at in enumerate(across):
                chunk = self._chunk(stream, self._chunks[stream.path][k * len(across) + j])
                target = found[(slice(first - start, last - start), *map(slice, at, np.add(at, inner)))]
                target[...] = chunk[(slice(first - k * length, last - k * length), *map(slice, target.shape[1:]))]
        return found

    def _chunk(self, stream: Stream, address: int) -> NDArray[Any]:
        self._file.seek(address)
        data = self._file.read(stream.chunk_bytes)  # the last one may be cut
        return np.frombuffer(data.ljust(stream.chunk_bytes, b"\0"), stream.dtype).reshape(stream.chunk)

    def _take(self, block: dict[str, Any]) -> None:
        """Take a block if it follows the one before and its rows are as they were written."""
        clock, (start, end) = block["clock"], block["rows"]
        growing = [stream for stream in self._streams.values() if stream.clock == clock]
        for path, places in block["chunks"].items():
            self._chunks[path] += places
        if start == self.rows[clock] and (end - start) * sum(s.row_bytes for s in growing) <= self._length:
            arrays = {stream.path: self.read(stream, start, end) for stream in growing}
            self.rows[clock] = end if _checksum(growing, arrays) == block["checksum"] else start


class RecoveredRows:
    """The rows of one stream, as an HDF5 dataset gives them."""

    def __init__(self, recovered: Recovered, stream: Stream, rows: int) -> None:
        self.shape = (rows, *stream.shape)
        self.nbytes = rows * stream.row_bytes
        self._recovered, self._stream = recovered, stream

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        return self._recovered.read(self._stream, *rows.indices(self.shape[0])[:2])


def recovered(trace: Path, token: str) -> Recovered | None:
    """Return what the journal of a trace vouches for; None where there is none, or that of another file."""
    path = journal_path(trace)
    if path.is_symlink() or not path.is_file():
        return None
    try:
        head, *blocks = _lines(path.read_bytes()) or [{}]
        if head.get("format") != FORMAT or head.get("token") != token:
            return None
        return Recovered(trace, from_words(head["layout"]), head["boot"] == _boot(), blocks)
    except _STRANGE:  # made by somebody else
        return None


def _lines(text: bytes) -> list[dict[str, Any]]:
    """Return the whole lines up to the first that is not: a kill or a power cut may have torn it."""
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        checksum, _, rest = line.partition(b" ")
        if checksum != b"%08x" % zlib.crc32(rest):
            break
        block = json.loads(rest)
        if not isinstance(block, dict):
            break
        found.append(block)
    return found


def _boot() -> str:
    """Return what tells this start of the machine from others, nothing where it does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _checksum(growing: list[Stream], arrays: Arrays) -> int:
    found = 0
    for stream in growing:
        found = zlib.crc32(np.ascontiguousarray(arrays[stream.path], stream.dtype).data.cast("B"), found)
    return found
