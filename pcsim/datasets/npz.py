"""A user's own data: an .npz file with x and y, and x_test and y_test where there is a test set."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.datasets.archive import read_arrays
from pcsim.datasets.checks import finite_floats, labels_or_targets, real_array, same_length
from pcsim.datasets.dataset import Dataset
from pcsim.errors import UsageError
from pcsim.typing import NDArray


def load_npz(path: Path) -> Dataset:
    """Return the data of an .npz file as it is, without scaling, inputs in float64.

    Arrays: `x` (samples, …), `y` (samples,) or (samples, outputs), optionally `x_test` and `y_test` alike.
    Raises UsageError, one line, for anything else.
    """
    arrays = read_arrays(path, ("x", "y"), ("x_test", "y_test"))
    x, y = _part(arrays, "x", "y", path)
    tests = arrays.keys() & {"x_test", "y_test"}
    if not tests:
        return Dataset("npz", x, y, None, None, f"user data from {path}")
    if len(tests) == 1:
        missing = ({"x_test", "y_test"} - tests).pop()
        raise UsageError(f"{path}: has '{tests.pop()}' but no '{missing}'; a test set needs both")
    x_test, y_test = _part(arrays, "x_test", "y_test", path)
    for name, whole, part in (("x", x, x_test), ("y", y, y_test)):
        if part.shape[1:] != whole.shape[1:]:
            raise UsageError(
                f"{path}: one sample of '{name}_test' has shape {part.shape[1:]} but one of '{name}' has"
                f" {whole.shape[1:]}; they must agree"
            )
    return Dataset("npz", x, y, x_test, y_test, f"user data from {path}")


def _part(
    arrays: dict[str, NDArray[Any]], x_name: str, y_name: str, path: Path
) -> tuple[Float64[np.ndarray, "samples *shape"], NDArray[Any]]:
    where_x, where_y = f"{path}: array '{x_name}'", f"{path}: array '{y_name}'"
    x = real_array(arrays[x_name], where_x)
    y = labels_or_targets(arrays[y_name], where_y)
    same_length(x, y, where_x, f"'{y_name}'")
    floats = finite_floats(x, where_x)
    return (floats[:, np.newaxis] if floats.ndim == 1 else floats), y
