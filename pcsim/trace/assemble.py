"""Put a trace file together: its beginning before the first row, its end after the last."""

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py

from pcsim.errors import UsageError
from pcsim.trace.beginning import Arrays, Attributes, Beginning
from pcsim.trace.files import LIBVER, closing, publish_new, replace_synced, sync, temporary_beside
from pcsim.trace.layout import FORMAT, FORMAT_VERSION, Layout
from pcsim.trace.objects import SLAB_BYTES, Objects, copy_objects, write_attributes
from pcsim.trace.owner import OWNER_ATTRIBUTES, owner_attributes
from pcsim.trace.space import abandon, release_reserved, reserve, temporary_name, why


def write_beginning(file: Any, beginning: Beginning) -> None:
    """Write everything that is known before the first row, and make the datasets that grow."""
    from pcsim.version import __version__

    own: dict[str, str | int | float] = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "status": "running",
        "pcsim_version": __version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_attributes(file, own | dict(beginning.attributes))
    objects = Objects(file, beginning.layout)
    objects.write_scales()
    objects.write_streams()
    objects.write_arrays(beginning.arrays)
    write_attributes(file.create_group("provenance"), beginning.provenance)


def create_memory(fill: Callable[[Any], None]) -> Any:
    """Return a new HDF5 file in memory, filled."""
    # two open in-memory files of one name would be the same file to HDF5
    file = h5py.File(temporary_name(), "w", driver="core", backing_store=False, libver=LIBVER)
    fill(file)
    return file


def create_file(target: Path, fill: Callable[[Any], None], *, force: bool) -> Any:
    """Return a new HDF5 file at `target`, filled and open for writing beside readers.

    It appears under its name only when it is whole. UsageError when it cannot be made; what was there stays.
    """
    with temporary_beside(target) as temporary:
        try:
            file = h5py.File(temporary, "x", libver=LIBVER)
        except OSError as error:
            raise UsageError(f"cannot write {target}: {why(error)}; choose another place with -o") from None
        try:
            fill(file)
            write_attributes(file, owner_attributes())
            file.swmr_mode = True
            if target.exists():  # it may replace rows that are safe
                file.flush()
                sync(temporary)
            publish_new(temporary, target, force)
        except BaseException as error:
            abandon(file)
            if isinstance(error, OSError | RuntimeError):
                raise UsageError(f"cannot write {target}: {why(error)}; choose another with -o") from None
            raise
        return file


def replace_by_finished(
    source: Any, path: Path, rows: Mapping[str, int], room: int, finish: Callable[[Any], None]
) -> dict[str, int]:
    """Put a finished copy of `source` in the place of `path`; return the rows cut off each dataset.

    Of the datasets along each clock `rows` are kept. `room` bytes are made sure of first. OSError or
    RuntimeError when the disk does not take it: `path` is then as it was.
    """
    with temporary_beside(path) as temporary:
        with closing(h5py.File(temporary, "x", libver=LIBVER)) as file:
            reserve(file.id.get_vfd_handle(), room)
            cut = copy_objects(source, file, rows)
            finish(file)
        _take_place(temporary, path)
    return cut


def replace_by_continued(path: Path, room: int, finish: Callable[[Any], None]) -> None:
    """Put a copy of a closed file, with its end, in the file's place, as `replace_by_finished` does but faster."""
    with temporary_beside(path) as temporary:
        with temporary.open("xb") as target, path.open("rb") as source:
            reserve(target.fileno(), room)
            shutil.copyfileobj(source, target, SLAB_BYTES)
        with closing(h5py.File(temporary, "r+", libver=LIBVER)) as file:
            finish(file)
        _take_place(temporary, path)


def _take_place(temporary: Path, path: Path) -> None:
    release_reserved(temporary)
    temporary.chmod(path.stat().st_mode & 0o777)
    replace_synced(temporary, path)


def finish_in_place(path: Path, room: int, finish: Callable[[Any], None]) -> None:
    """Write the end into the file itself, where the disk has no room for a second one.

    OSError where that room cannot be reserved: a write that fails halfway would cost the rows.
    """
    with path.open("rb+") as raw:
        if not reserve(raw.fileno(), path.stat().st_size + room):
            raise OSError("no room for the end of the run")
    with closing(h5py.File(path, "r+", libver=LIBVER)) as file:
        finish(file)
    release_reserved(path)


def write_end(file: Any, layout: Layout, attributes: Attributes, final: Arrays) -> None:
    """Write what is known after the last row; the writer's mark goes."""
    Objects(file, layout).write_arrays(final)
    drop_owner(file)
    write_attributes(file, attributes)


def drop_owner(file: Any) -> None:
    """Remove the attributes that name the writing process."""
    for name in OWNER_ATTRIBUTES:
        if name in file.attrs:
            del file.attrs[name]
