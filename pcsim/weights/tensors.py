"""Arrays in `.safetensors` files, by the package of that name; the base installation does without it."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import IO, Any, BinaryIO

import ml_dtypes
import numpy as np

from pcsim.datasets.archive import ShapeCheck, anything, check_present, open_data, unreadable
from pcsim.errors import UsageError
from pcsim.typing import NDArray

SUFFIX = ".safetensors"
_LENGTH = 8
"""Bytes of a file's first number, the length of its header."""

_DTYPES: dict[str, Any] = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": ml_dtypes.bfloat16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
}


def read_tensors(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    needed: str | None = None,
    check: ShapeCheck = anything,
) -> dict[str, NDArray[Any]]:
    """Read the named arrays of a `.safetensors` file; optional ones that are not there are left out.

    `check` is called with name and shape of every array before any is read. Raises `UsageError`, one line, for a file
    that is missing or damaged, for a required array that is absent or of numbers that numpy has no type for, and where
    the package is missing.
    """
    needed = needed or f"a .safetensors file with the arrays {' and '.join(required)}"
    # The package sees to it that the header is whole and fits the length of the file.
    read_header(path, needed)
    with open_data(path, needed) as handle:
        try:
            (length,) = struct.unpack("<Q", handle.read(_LENGTH))
            tensors: dict[str, Any] = json.loads(handle.read(length))
            tensors.pop("__metadata__", None)
            check_present(path, list(tensors), required, needed)
            wanted = {name: tensors[name] for name in (*required, *optional) if name in tensors}
            for name, tensor in wanted.items():
                check(name, tuple(tensor["shape"]))
            return {name: _array(path, name, tensor, handle, _LENGTH + length) for name, tensor in wanted.items()}
        except OSError as error:
            raise unreadable(path, error, needed) from None


def read_header(path: Path, needed: str = "a .safetensors file") -> dict[str, str]:
    """Return the texts in the header of a `.safetensors` file; raises `UsageError` as `read_tensors` does."""
    package = require_package(path)
    open_data(path, needed).close()
    try:
        with package.safe_open(str(path), framework="np") as file:
            return dict(file.metadata() or {})
    except package.SafetensorError as error:
        raise UsageError(f"{path}: is no .safetensors file, or damaged ({error}); needed is {needed}") from None


def write_tensors(file: BinaryIO, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    """Write arrays in the types they have, bfloat16 included, and texts into the header."""
    from safetensors.numpy import save

    file.write(save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, dict(texts)))


def require_package(path: Path) -> ModuleType:
    """Return the package safetensors; raises `UsageError` where it is missing and `path` cannot be read or written."""
    try:
        import safetensors
    except ImportError:
        raise UsageError(
            f"{path}: the package safetensors is missing; install it with: pip install 'pcsim[safetensors]', or use "
            "an .npz file"
        ) from None
    return safetensors


def _array(path: Path, name: str, tensor: Mapping[str, Any], handle: IO[bytes], data: int) -> NDArray[Any]:
    if tensor["dtype"] not in _DTYPES:
        raise UsageError(
            f"{path}: array {name} holds {tensor['dtype']}, expected real numbers: one of {', '.join(_DTYPES)}"
        )
    begin, end = tensor["data_offsets"]
    handle.seek(data + begin)
    return np.frombuffer(handle.read(end - begin), dtype=_DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
