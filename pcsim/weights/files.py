"""Weights files as a whole: written at once or not at all, with the scenario inside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np

from pcsim.datasets.archive import read_arrays
from pcsim.errors import RunFailed, UsageError
from pcsim.trace.atomic import remove_leftovers, replacing
from pcsim.trace.files import check_target
from pcsim.trace.space import reserve, why
from pcsim.typing import NDArray
from pcsim.weights.tensors import SUFFIX, read_header, require_package, write_tensors

TEXTS = ("scenario", "folder", "data_sha256", "weights_sha256", "extensions", "layout")
"""What lies beside parameters: the scenario, the folder its paths start from, digests of the data and first weights,
and where what does not ship came from."""


def check_weights_target(path: Path, force: bool) -> Path:
    """Return the resolved path if weights can be written there; `UsageError` with the fix otherwise."""
    if path.suffix not in _WRITERS:
        raise UsageError(f"{path}: weights are written as {' or '.join(_WRITERS)}; give the file that ending")
    if path.suffix == SUFFIX:
        require_package(path)
    return check_target(path, force)


def write_weights(
    path: Path, parameters: Mapping[str, NDArray[Any]], texts: Mapping[str, str], *, force: bool = False
) -> None:
    """Write parameters `W_0`, `b_0`, … as arrays W0, b0, … with texts that belong to them, whole or not at all.

    The texts are those named in TEXTS, as far as they are there. Types are kept, but that `.npz` has none for bfloat16,
    which becomes float32. Raises `UsageError` where no file can be made, or one exists and `force` is not given, and
    `RunFailed` where it cannot be written, or where an entry is no finite number.
    """
    target = check_weights_target(path, force)
    remove_leftovers(target)
    arrays = {"".join(name.rsplit("_", 1)): array for name, array in parameters.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise RunFailed(f"{path}: not written: {name} has NaN or infinite entries in {array.dtype}, no weights")
    try:
        kept = {name: texts[name] for name in TEXTS if name in texts}
        size = sum(array.nbytes for array in arrays.values()) + 4 * sum(map(len, kept.values()))
        with replacing(target, new=not force) as temporary, temporary.open("xb") as file:
            reserve(file.fileno(), size)
            _WRITERS[path.suffix](file, arrays, kept)
    except OSError as error:
        raise RunFailed(f"{path}: the weights could not be written ({why(error)}); nothing was changed") from None


def embedded_texts(path: Path) -> dict[str, str]:
    """Return those of TEXTS that are in a weights file; `UsageError` for other files."""
    if path.suffix == SUFFIX:
        return {name: text for name, text in read_header(path).items() if name in TEXTS}
    found = read_arrays(path, [], TEXTS, "a trace, or an .npz or .safetensors file with weights")
    return {name: str(text) for name, text in found.items() if text.dtype.kind == "U" and not text.shape}


def _write_npz(file: BinaryIO, arrays: Mapping[str, NDArray[Any]], texts: Mapping[str, str]) -> None:
    members: dict[str, Any] = {name: np.array(text) for name, text in texts.items()}
    for name, array in arrays.items():
        members[name] = array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
    np.savez(file, **members)


_WRITERS = {".npz": _write_npz, SUFFIX: write_tensors}
