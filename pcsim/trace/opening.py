"""Open HDF5 files, the one place where pcsim does: those to read may come from anywhere.

HDF5 follows what a file says: it reads other files, loads plugins, allocates what is claimed, and loops on some
damages. A file is therefore looked through before HDF5 gives out any of it, and every dataset before its first byte.
"""

import contextlib
import os
import warnings
import zlib
from math import prod
from pathlib import Path
from typing import Any

import h5py
from h5py import h5d, h5g, h5i, h5l, h5o, h5t  # pyright: ignore[reportAttributeAccessIssue]

from pcsim.errors import PcsimWarning, UsageError
from pcsim.trace.heaps import check_heaps
from pcsim.trace.snapshot import Snapshot
from pcsim.trace.space import abandon

fcntl: Any
try:
    import fcntl
except ImportError:  # not POSIX
    fcntl = None

LIBVER = ("v110", "v110")
"""HDF5 1.10 introduced what readers beside a writer need; anything newer would shut out older tools."""

SPARE_BYTES = 64 * 2**20
MOST_UNPACKED = 32
"""A dataset may take so many times the length of its file, and the spare bytes: real data shrink no more by gzip."""
_DEFLATE = 1
_LONG = 8
"""Bytes."""
_NUMBERS = (h5t.FLOAT, h5t.INTEGER)
_FILTERS = {_DEFLATE: "deflate", 2: "shuffle", 3: "fletcher32"}
_ALONE = "pcsim reads only the one it is given"
_ADVICE = "rewrite it with h5repack, or ask for the trace as pcsim wrote it"


def open_to_read(path: Path, *, swmr: bool = False) -> "GuardedFile":
    """Open an HDF5 file of any origin for reading, beside its writer where `swmr` is given.

    Raises UsageError where it holds links out of the file, OSError or RuntimeError where HDF5 cannot read it.
    """
    longest = check_heaps(path)
    file = _without_links(GuardedFile(path, "r", swmr=swmr, locking=locking(path)), path)
    if not swmr:  # whose writer may add longer ones
        file.longest_text = longest if _has_long_lengths(file) else None
    return file


def open_snapshot(path: Path) -> "GuardedFile":
    """Open a file that its writer left open as it lies on disk; raises as `open_to_read` does."""
    longest = check_heaps(path)
    file = _without_links(GuardedFile(Snapshot(path), "r"), path)
    file.longest_text = longest if _has_long_lengths(file) else None
    return file


def _has_long_lengths(file: "GuardedFile") -> bool:
    """Tell whether lengths have eight bytes in a file, as everybody writes and heaps are looked through for."""
    return file.id.get_create_plist().get_sizes()[1] == _LONG


def open_beside_readers(path: Path) -> Any:
    """Open an HDF5 file of one's own to write on while others read; OSError or RuntimeError where HDF5 cannot."""
    file = h5py.File(path, "r+", libver=LIBVER, locking=locking(path))
    try:
        file.swmr_mode = True
    except BaseException:
        abandon(file)
        raise
    return file


def is_hdf5(path: Path) -> bool:
    """Tell whether a path is a file that begins as HDF5 does; of pipes and devices nothing is read."""
    return path.is_file() and bool(h5py.is_hdf5(path))


def locking(path: Path) -> bool | None:
    """Return how HDF5 is to lock a file: False where the file system has no locks, None for as it usually does.

    The variable HDF5_USE_FILE_LOCKING, where a user has set it, outweighs that in HDF5.
    """
    if fcntl is None or "HDF5_USE_FILE_LOCKING" in os.environ:
        return None
    with path.open("rb") as raw:
        try:
            fcntl.flock(raw.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return None
        except OSError as error:
            warnings.warn(
                f"the file system of {path.parent.absolute()} has no locks ({(error.strerror or '').lower()}): files "
                "there are opened without; let no two runs write the same one",
                PcsimWarning,
                stacklevel=1,  # one place for all files of a folder: said once
            )
            return False
    return None


class _Guarded:
    """What both groups and files do: give out nothing that would read another file or take the machine."""

    longest_text: int | None = None
    """Bytes that no text in the file is longer than, as far as is known."""

    def __getitem__(self, name: Any) -> Any:
        item = super().__getitem__(name)  # pyright: ignore[reportAttributeAccessIssue]
        if isinstance(item, h5py.Dataset):
            _check_dataset(item)
        elif type(item) is h5py.Group:
            item = GuardedGroup(item.id)
        else:
            raise _refused(item, "is a type, where an array is wanted")
        item.longest_text = self.longest_text  # pyright: ignore[reportAttributeAccessIssue]
        return item


class GuardedGroup(_Guarded, h5py.Group):
    """A group whose datasets are checked when they are opened."""


class GuardedFile(_Guarded, h5py.File):
    """A file whose datasets are checked when they are opened: UsageError, before anything is read or allocated."""


def _without_links(file: GuardedFile, path: Path) -> GuardedFile:
    try:
        found = file.id.links.visit(_link_out, info=True)
    except RuntimeError:  # some object is torn, which leaves the others
        found = _link_out_below(file.id, set())
    except BaseException:
        file.close()
        raise
    if found is not None:
        file.close()
        raise UsageError(f"{path}: '{found}' links to another file, and {_ALONE}; {_ADVICE}")
    return file


def _link_out(name: bytes, link: Any) -> str | None:
    return None if link.type in (h5l.TYPE_HARD, h5l.TYPE_SOFT) else name.decode(errors="backslashreplace")


def _link_out_below(group: Any, seen: set[int]) -> str | None:
    """Return what `_link_out` finds below a group, as far as there are objects that can be opened."""
    seen.add(h5o.get_info(group).addr)
    for name in group:
        if found := _link_out(name, group.links.get_info(name)):
            return found
        with contextlib.suppress(KeyError, OSError, RuntimeError):
            item = h5o.open(group, name)
            fresh = isinstance(item, h5g.GroupID) and h5o.get_info(item).addr not in seen
            if fresh and (found := _link_out_below(item, seen)):
                return found
    return None


def texts(item: h5py.Dataset) -> tuple[str, ...]:
    """Return the texts of a dataset with one axis; ValueError where they are together longer than the file."""
    left = _length(item)
    longest = getattr(item, "longest_text", None) or left
    step = max(1, SPARE_BYTES // max(1, longest))
    found: list[str] = []
    for start in range(0, item.shape[0], step):
        part = item.asstr()[start : start + step]
        left -= sum(map(len, part))
        if left < 0:  # each may be as long as the file: the same one many times
            raise ValueError(f"texts of {item.name}")
        found.extend(part)
    return tuple(found)


def check_claims(items: list[Any]) -> None:
    """Raise ValueError where datasets are together too large for the file they are in."""
    claimed = sum(item.nbytes for item in items)
    if items and claimed > _most(items[0]):
        raise ValueError(f"{claimed:,} bytes in {items[0].parent.name}")


def _length(item: Any) -> int:
    return h5i.get_file_id(item.id).get_filesize()


def _most(item: Any) -> int:
    """Return how many bytes of values a file may unpack to."""
    return SPARE_BYTES + MOST_UNPACKED * _length(item)


def _check_dataset(item: h5py.Dataset) -> None:
    properties = item.id.get_create_plist()
    layout = properties.get_layout()
    if layout == h5d.VIRTUAL or properties.get_external_count():
        raise _refused(item, f"has its values in another file, and {_ALONE}")
    kind, count = item.id.get_type(), item.id.get_space().get_simple_extent_npoints()
    size = kind.get_size()
    chunk = prod(properties.get_chunk()) * size if layout == h5d.CHUNKED else 0
    claimed = max(count * size, chunk)
    is_long = kind.get_class() not in _NUMBERS and (kind.get_class() != h5t.STRING or kind.is_variable_str())
    if claimed > SPARE_BYTES or is_long:
        most = _length(item) if is_long else _most(item)
        if claimed > most:
            raise _refused(item, f"claims {claimed:,} bytes in a file of {_length(item):,}")
    if layout != h5d.CHUNKED:
        return
    filters = [properties.get_filter(index)[0] for index in range(properties.get_nfilters())]
    if foreign := [number for number in filters if number not in _FILTERS]:
        raise _refused(item, f"is packed by filter {foreign[0]}; allowed are {', '.join(_FILTERS.values())}")
    if _DEFLATE in filters:
        _check_unpacked(item, filters, chunk)


def _check_unpacked(item: h5py.Dataset, filters: list[int], size: int) -> None:
    """Raise UsageError where a chunk unpacks to more than it may hold: HDF5 would allocate whatever comes out."""
    if filters.count(_DEFLATE) > 1:
        raise _refused(item, "is packed more than once")
    for index in range(item.id.get_num_chunks()):
        info = item.id.get_chunk_info(index)
        _, packed = item.id.read_direct_chunk(info.chunk_offset)
        unpack = zlib.decompressobj()
        try:
            unpacked = unpack.decompress(packed, size + _CHECKSUM + 1)
        except zlib.error:
            continue  # HDF5 says so itself
        if len(unpacked) > size + _CHECKSUM:
            raise _refused(item, f"unpacks to more than the {size:,} bytes of its chunks")


_CHECKSUM = 4


def _refused(item: Any, what: str) -> UsageError:
    file = h5i.get_file_id(item.id)
    return UsageError(f"{file.name.decode(errors='backslashreplace')}: '{item.name}' {what}; {_ADVICE}")
