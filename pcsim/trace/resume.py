"""Start a trace that goes on where another one, of a training run, was at its last checkpoint."""

from pathlib import Path
from typing import Any

from pcsim.errors import UsageError
from pcsim.trace.beginning import Beginning
from pcsim.trace.layout import streams
from pcsim.trace.objects import SLAB_BYTES
from pcsim.trace.reader import Trace
from pcsim.trace.stream import CHUNK_ROWS, Stream, by_clock
from pcsim.trace.training import EPOCH, EVALUATION, UPDATE
from pcsim.trace.writer import TraceWriter


def resume(
    path: Path,
    old: Trace,
    beginning: Beginning,
    *,
    updates: int,
    epochs: int,
    force: bool = False,
) -> TraceWriter:
    """Make a trace that begins with the rows of `old` up to update `updates` and epoch `epochs`, both included.

    At `path` it takes the place of `old`, at once and when it is whole, or, with `force`, that of another file.
    The writer's `updates` and `epochs` tell how many rows it took over. UsageError, nothing made or changed,
    where `TraceWriter.create` raises it, `old` has other layers, lacks an array or cannot be read.
    """
    layout = beginning.layout
    if old.layer_names != layout.layer_names:
        raise UsageError(
            f"{old.path} cannot be resumed: its layers are {', '.join(old.layer_names)}, "
            f"those of this run {', '.join(layout.layer_names)}"
        )
    last = {UPDATE: updates, EPOCH: epochs, EVALUATION: updates}

    def begin(file: Any) -> None:
        for clock, growing in by_clock(streams(layout)).items():
            if clock in last:
                _copy_rows(old, file, growing, _rows_up_to(old, clock, last[clock]))

    replaces = old.path is not None and path.exists() and path.samefile(old.path)
    return TraceWriter.create(path, beginning, force=force or replaces, begin=begin)


def _rows_up_to(old: Trace, clock: str, last: int) -> int:
    rows = 0
    while True:
        values = old.array(clock, slice(rows, rows + CHUNK_ROWS))
        kept = int(values.searchsorted(last, side="right"))
        rows += kept
        if kept < CHUNK_ROWS:
            return rows


def _copy_rows(old: Trace, file: Any, growing: list[Stream], rows: int) -> None:
    for stream in growing:
        made = file[stream.path]
        made.resize(rows, axis=0)
        step = max(1, SLAB_BYTES // max(1, stream.row_bytes))
        for start in range(0, rows, step):
            end = min(start + step, rows)
            made[start:end] = old.array(stream.path, slice(start, end))
