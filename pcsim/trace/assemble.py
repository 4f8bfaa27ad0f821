"""Put a trace file together: its beginning before the first row, the whole after the last."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py

from pcsim.errors import UsageError
from pcsim.trace.atomic import replacing
from pcsim.trace.beginning import Arrays, Attributes, Beginning
from pcsim.trace.blank import new_file
from pcsim.trace.files import abandoned_on_error, closing
from pcsim.trace.layout import FORMAT, FORMAT_VERSION, Dimensions, Layout, streams
from pcsim.trace.objects import Objects, copy_objects, copy_rows, write_attributes
from pcsim.trace.opening import open_beside_readers
from pcsim.trace.owner import OWNER_ATTRIBUTES, owner_attributes
from pcsim.trace.rows import growing_by_clock, rows_in_words, whole_rows
from pcsim.trace.space import POSIX, abandon, release_reserved, reserve, why
from pcsim.trace.training import EPOCH, UPDATE
from pcsim.trace.watched import WatchedFile
from pcsim.typing import NDArray

RUN_ID = "run_id"
"""Root attribute that tells a run from any other, the same in its checkpoint; a resumed run keeps it."""
_SPARE_BYTES = 16 * 1024
"""What the chunks of a finished trace may hold beyond its rows."""


def with_own_attributes(beginning: Beginning) -> Beginning:
    """Return a beginning with the attributes that every trace has."""
    from pcsim.version import __version__

    own: dict[str, str | int | float] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        RUN_ID: secrets.token_hex(8),
        "status": "running",
        "pcsim_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return replace(beginning, attributes=own | dict(beginning.attributes))


def start_file(path: Path | None, beginning: Beginning, final: Arrays | None = None, room: int = 0) -> Any:
    """Return a new file, open for writing, with all there is but rows; `path` None keeps it in memory.

    OSError or RuntimeError where the disk does not take it, or not `room` bytes.
    """
    file = new_file(path, beginning.layout, {**beginning.arrays, **(final or {})}, room)
    with abandoned_on_error(file):
        write_attributes(file, beginning.attributes)
        write_attributes(file["provenance"], beginning.provenance)
    return file


def create_file(target: Path, beginning: Beginning, begin: Callable[[Any], None] | None, *, force: bool) -> Any:
    """Return a new HDF5 file at `target`, open for writing beside readers, with the rows that `begin` writes.

    It appears under its name only when it is whole. UsageError when it cannot be made; what was there stays.
    """
    file = None
    try:
        # Rows that it begins with are safe in the file that it replaces.
        with replacing(target, new=not force, synced=begin is not None) as temporary:
            with closing(start_file(temporary, beginning)) as made:
                if begin is not None:
                    begin(made)
                write_attributes(made, owner_attributes())
            if POSIX:
                file = open_beside_readers(temporary)
        if not POSIX:  # where a file that is open cannot be moved
            file = open_beside_readers(target)
    except BaseException as error:
        abandon(file)
        if isinstance(error, OSError | RuntimeError):
            raise UsageError(f"cannot write {target}: {why(error)}; choose another place with -o") from None
        raise
    return file


def finished_file(
    path: Path | None, beginning: Beginning, final: Arrays, source: Any, rows: Mapping[str, int], room: int = 0
) -> Any:
    """Return a new file, open for writing, with the whole of a run: of each clock so many `rows` of `source`.

    What ended as it began is there once, under both names. Raises as `start_file` does.
    """
    layout, same = _fitted(beginning.layout, rows), _as_it_began(beginning, final)
    rest = {name: values for name, values in final.items() if name not in same}
    file = start_file(path, replace(beginning, layout=layout), rest, room)
    with abandoned_on_error(file):
        for name, start in same.items():
            file[name] = file[start]
        for stream in streams(layout):
            target, count = file[stream.path], rows[stream.clock]
            target.id.set_extent((count, *stream.shape))
            copy_rows(source[stream.path], target, count)
    return file


def _as_it_began(beginning: Beginning, final: Arrays) -> dict[str, str]:
    """Return the paths of final arrays that are the same as at the beginning, and the paths they had there.

    Those with axes of their own are left out: netCDF looks for these in the group of the array alone.
    """
    arrays, dimensions = beginning.arrays, Dimensions(beginning.layout)
    found = {path: start for path in final if (start := path.removeprefix("final/")) in arrays}
    return {
        path: start
        for path, start in found.items()
        if _same_bits(final[path], arrays[start])
        and not any("/" in name for name in dimensions.names(path, final[path].shape))
    }


def _same_bits(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def _fitted(layout: Layout, rows: Mapping[str, int]) -> Layout:
    """Return a layout whose chunks hold little more than the rows that there are: before the run none may be known."""
    spare = sum(max(0, s.chunk[0] - rows[s.clock]) * s.row_bytes for s in streams(layout))
    if spare <= _SPARE_BYTES:
        return layout
    training = layout.training and replace(layout.training, updates=rows[UPDATE], epochs=rows[EPOCH])
    return replace(layout, rows=rows[layout.clock], training=training)


def replace_by(path: Path, write: Callable[[Path], Any], rows: Mapping[str, int]) -> None:
    """Put the file that `write` leaves open, at a place it is given, in the place of `path` if it holds these rows.

    OSError or RuntimeError when the disk does not take it: `path` is then as it was.
    """
    with replacing(path) as temporary:
        with closing(write(temporary)):
            pass
        with h5py.File(temporary, "r", locking=False) as copy:  # nobody else knows of it
            found = {clock: whole_rows(copy[clock], growing) for clock, growing in growing_by_clock(copy).items()}
        if any(rows[clock] != count for clock, count in found.items()):
            raise OSError(f"the copy holds {rows_in_words(found)} instead of {rows_in_words(rows)}")


def copied_file(path: Path, source: Any, rows: Mapping[str, int], room: int, cut: dict[str, int]) -> Any:
    """Return a new file with all that `source` holds, of each clock so many `rows`, but the mark of its writer.

    The rows cut off each dataset are entered in `cut`. Raises as `start_file` does.
    """
    file = WatchedFile(path, "x", room)
    with abandoned_on_error(file):
        cut |= copy_objects(source, file, rows)
        _drop_owner(file)
    return file


def finish_in_place(path: Path, room: int, layout: Layout, attributes: Attributes, final: Arrays) -> None:
    """Write the end into the file itself, where the disk has no room for a second one.

    OSError where that room cannot be reserved: a write that fails halfway would cost the rows.
    """
    with path.open("rb+") as raw:
        if not reserve(raw.fileno(), path.stat().st_size + room):
            raise OSError("no room for the end of the run")
    with closing(WatchedFile(path, "r+")) as file:
        Objects(file, layout).write_arrays(final)
        _drop_owner(file)
        write_attributes(file, attributes)
    release_reserved(path)


def _drop_owner(file: Any) -> None:
    """Remove the attributes that name the writing process."""
    for name in OWNER_ATTRIBUTES:
        if name in file.attrs:
            del file.attrs[name]
