"""Reading arrays out of .npz files that may be missing, damaged, or something else altogether."""

import warnings
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np

from pcsim.datasets.headers import array_shape, check_unpacked
from pcsim.errors import UsageError, did_you_mean, is_short_of_memory, out_of_memory
from pcsim.typing import NDArray

ShapeCheck = Callable[[str, tuple[int, ...]], None]
_ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_NPY_MAGIC = b"\x93NUM"
_NAMES_SHOWN = 8


def anything(name: str, shape: tuple[int, ...]) -> None:
    """Accept an array of any shape."""


def open_data(path: Path, needed: str) -> IO[bytes]:
    """Open a data file for reading; `needed` says in errors what the file should be.

    Raises UsageError when there is no such file, it is a folder, pipe or device, or it cannot be opened.
    """
    try:
        # A pipe would wait for ever, a device has no end.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise UsageError(f"{path}: is a pipe or device; needed is {needed}")
        return path.open("rb")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file; needed is {needed}") from None
    except IsADirectoryError:
        raise UsageError(f"{path}: is a folder; needed is {needed}") from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error, needed) from None


def unreadable(path: Path, error: Exception, needed: str) -> UsageError:
    """Return the error for a file or folder the system refuses to read."""
    reason = getattr(error, "strerror", None) or error
    return UsageError(f"{path}: cannot be read ({reason}); needed is {needed}")


def read_arrays(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    needed: str | None = None,
    check: ShapeCheck = anything,
    synonyms: Mapping[str, str] | None = None,
) -> dict[str, NDArray[Any]]:
    """Read the named arrays of an .npz file; optional ones that are not there are left out.

    `synonyms` are other names, each with the required one it stands for. Pickled objects are never loaded. `check` is
    called with name and shape of every array before that is read. Raises UsageError, one line, for a file that is
    missing, no .npz, or damaged, for an array that claims more than the file can hold, and for a required array that is
    absent.
    """
    needed = needed or f"an .npz file with the arrays {' and '.join(required)}"
    with open_data(path, needed) as handle:
        _check_magic(handle, path, needed)
        members = _unpack(handle, path, (*required, *optional, *(synonyms or ())), check)
    renamed = [(synonyms or {}).get(name, name) for name in members]
    check_present(path, list(members), [name for name in required if name not in renamed], needed)
    return {name: array for name, array in members.items() if array is not None}


def check_present(path: Path, found: Sequence[str], required: Sequence[str], needed: str) -> None:
    """Raise UsageError, one line, where a required array is not among those found in a file."""
    for name in required:
        if name not in found:
            # repr, since names in a foreign archive may hold line breaks
            present = ", ".join(repr(key) for key in found[:_NAMES_SHOWN]) or "none"
            if len(found) > _NAMES_SHOWN:
                present += f" and {len(found) - _NAMES_SHOWN} more"
            raise UsageError(
                f"{path}: has no array '{name}', its arrays: {present}; needed is {needed}{_hint(name, found)}"
            )


def _check_magic(handle: IO[bytes], path: Path, needed: str) -> None:
    try:
        magic = handle.read(4)
        handle.seek(0)
    except OSError as error:
        raise unreadable(path, error, needed) from None
    if magic in _ZIP_MAGIC:
        return
    if not magic:
        found = "is empty (0 bytes)"
    elif magic == _NPY_MAGIC:
        found = "is a single array (.npy): store it with np.savez"
    else:
        found = "is not an .npz file"
    raise UsageError(f"{path}: {found}; needed is {needed}")


def _unpack(handle: IO[bytes], path: Path, wanted: Sequence[str], check: ShapeCheck) -> dict[str, NDArray[Any] | None]:
    """Return every name in the archive, with its array where it is wanted and None elsewhere."""
    reading = "the list of arrays"
    members: dict[str, Any] = {}
    # zipfile, zlib and numpy's header parser raise about a dozen kinds of error between them on damaged
    # bytes; numpy also warns about headers of old files, which are harmless here
    try:
        with warnings.catch_warnings(action="ignore"), np.load(handle, allow_pickle=False) as archive:
            for name in archive.files:
                reading = f"array {name!r}"
                if name in wanted:
                    _check_member(archive.zip, handle, path, name, check)
                members[name] = archive[name] if name in wanted else None
    except UsageError:
        raise
    except Exception as error:
        if isinstance(error, MemoryError) and is_short_of_memory(_unpacked_bytes(handle)):
            raise UsageError(f"{path}: {reading}: {out_of_memory(error, 'store fewer samples')}") from None
        if "allow_pickle" in str(error):
            raise UsageError(
                f"{path}: {reading} holds Python objects, which are never loaded; store a plain array of"
                " numbers, or of labels as texts (dtype str)"
            ) from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UsageError(
            f"{path}: truncated or damaged at {reading} ({reason}); write or fetch the file again"
        ) from None
    for name, array in members.items():
        if array is not None and not isinstance(array, np.ndarray):
            raise UsageError(f"{path}: '{name}' is not an array; store it with np.savez")
    return members


def _check_member(archive: zipfile.ZipFile, handle: IO[bytes], path: Path, name: str, check: ShapeCheck) -> None:
    # As numpy looks for it.
    member = name if name in archive.namelist() else f"{name}.npy"
    check_unpacked(archive.getinfo(member).file_size, handle, f"{path}: array {name!r}")
    if member != name:
        check(name, array_shape(archive, member))


def _unpacked_bytes(handle: IO[bytes]) -> int:
    """Return how long the longest array is, whatever its header claims."""
    with zipfile.ZipFile(handle) as archive:
        return max(member.file_size for member in archive.infolist())


def _hint(name: str, present: Sequence[str]) -> str:
    for key in present:
        if key.lower() in {name.lower(), f"{name}_train"}:
            return f"; did you mean {key!r}?"
    return did_you_mean(name, list(present))
