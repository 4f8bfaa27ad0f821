"""Weights files as a whole: written at once or not at all, with the scenario inside."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from pcsim.datasets.archive import read_arrays
from pcsim.errors import RunFailed, UsageError
from pcsim.trace.atomic import remove_leftovers, replacing
from pcsim.trace.files import check_target
from pcsim.trace.space import reserve, why
from pcsim.weights.tensors import SCENARIO, SUFFIX, read_header, require_package, write_tensors


def check_weights_target(path: Path, force: bool) -> Path:
    """Return the resolved path if weights can be written there; `UsageError` with the fix otherwise."""
    if path.suffix not in _WRITERS:
        raise UsageError(f"{path}: weights are written as {' or '.join(_WRITERS)}; give the file that ending")
    if path.suffix == SUFFIX:
        require_package(path)
    return check_target(path, force)


def write_weights(path: Path, parameters: Mapping[str, NDArray[Any]], scenario: str, *, force: bool = False) -> None:
    """Write parameters `W_0`, `b_0`, … as arrays W0, b0, … with the text of their scenario, whole or not at all.

    Types are kept, but that `.npz` has none for bfloat16, which becomes float32. Raises `UsageError` where no file
    can be made, or one exists and `force` is not given, and `RunFailed` where it cannot be written, or where an entry
    is no finite number.
    """
    target = check_weights_target(path, force)
    remove_leftovers(target)
    arrays = {name.replace("_", ""): array for name, array in parameters.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise RunFailed(f"{path}: not written: {name} has NaN or infinite entries in {array.dtype}, no weights")
    try:
        with replacing(target, new=not force) as temporary, temporary.open("xb") as file:
            reserve(file.fileno(), sum(array.nbytes for array in arrays.values()) + 4 * len(scenario))
            _WRITERS[path.suffix](file, arrays, scenario)
    except OSError as error:
        raise RunFailed(f"{path}: the weights could not be written ({why(error)}); nothing was changed") from None


def embedded_scenario(path: Path) -> str | None:
    """Return the text of the scenario in a weights file, None where there is none; `UsageError` for other files."""
    if path.suffix == SUFFIX:
        return read_header(path).get(SCENARIO)
    text = read_arrays(path, [], [SCENARIO], "a trace, or an .npz or .safetensors file with weights").get(SCENARIO)
    return None if text is None or text.dtype.kind != "U" or text.shape else str(text)


def _write_npz(file: BinaryIO, arrays: Mapping[str, NDArray[Any]], scenario: str) -> None:
    members: dict[str, Any] = {SCENARIO: np.array(scenario)}
    for name, array in arrays.items():
        members[name] = array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
    np.savez(file, **members)


_WRITERS = {".npz": _write_npz, SUFFIX: write_tensors}
