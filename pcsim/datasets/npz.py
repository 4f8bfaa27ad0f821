"""A user's own data: an .npz file with x and y, and x_test and y_test where there is a test set."""

from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped

from pcsim.datasets.archive import read_arrays
from pcsim.datasets.checks import finite_floats, labels_or_targets, real_array, same_length
from pcsim.datasets.class_names import are_names, class_names, in_words, numbered
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.scaling import PixelScaling, unscaled
from pcsim.errors import UsageError
from pcsim.typing import NDArray

Channels = Literal["first", "last"]
_KERAS = {"x_train": "x", "y_train": "y"}
_WHITE = 255.0


def load_npz(path: Path, channels: Channels = "last") -> Dataset:
    """Return the data of an .npz file; images that are bytes are scaled to [−1, 1] when asked for, all else is not.

    Arrays: `x` (samples, …) and `y`, (samples,) or (samples, outputs), by these names or as `x_train` and `y_train`,
    optionally `x_test` and `y_test` alike. Labels may be texts. Images have `channels` last, unless these come first:
    (samples, c, h, w). Raises UsageError, one line, for anything else.
    """
    arrays = read_arrays(path, ("x", "y"), ("x_test", "y_test"), synonyms=_KERAS)
    x_name, y_name = (_only(arrays, keras, name, path) for keras, name in _KERAS.items())
    source, classes = f"user data from {path}", None
    if are_names(arrays[y_name]):
        classes = class_names(arrays[y_name], f"{path}: array '{y_name}'")
        source += f", {len(classes)} classes sorted by name: {in_words(classes)}"
    x, y = _part(arrays, x_name, y_name, path, channels, classes)
    scaling = PixelScaling(_WHITE) if x.dtype == np.uint8 and x.ndim > 2 else unscaled
    tests = arrays.keys() & {"x_test", "y_test"}
    if not tests:
        return Dataset("npz", x, y, None, None, source, scaling)
    if len(tests) == 1:
        missing = ({"x_test", "y_test"} - tests).pop()
        raise UsageError(f"{path}: has '{tests.pop()}' but no '{missing}'; a test set needs both")
    x_test, y_test = _part(arrays, "x_test", "y_test", path, channels, classes)
    for name, said, whole, part in (("x", x_name, x, x_test), ("y", y_name, y, y_test)):
        if part.shape[1:] != whole.shape[1:]:
            raise UsageError(
                f"{path}: one sample of '{name}_test' has shape {part.shape[1:]} but one of '{said}' has"
                f" {whole.shape[1:]}; they must agree"
            )
    if x_test.dtype != x.dtype:  # bytes are pixels where both are
        x, x_test, scaling = x.astype(np.float64), x_test.astype(np.float64), unscaled
    return Dataset("npz", x, y, x_test, y_test, source, scaling)


def _only(arrays: dict[str, NDArray[Any]], keras: str, name: str, path: Path) -> str:
    """Return by which of two names an array is there."""
    if name in arrays and keras in arrays:
        raise UsageError(f"{path}: has '{name}' and '{keras}', two names of the same; keep the one to learn from")
    return name if name in arrays else keras


def _part(
    arrays: dict[str, NDArray[Any]],
    x_name: str,
    y_name: str,
    path: Path,
    channels: Channels,
    classes: tuple[str, ...] | None,
) -> tuple[Shaped[np.ndarray, "samples *shape"], NDArray[Any]]:
    where_x, where_y = f"{path}: array '{x_name}'", f"{path}: array '{y_name}'"
    x = real_array(arrays[x_name], where_x)
    labels = arrays[y_name]
    y = labels_or_targets(labels, where_y) if classes is None else numbered(labels, classes, where_y)
    same_length(x, y, where_x, f"'{y_name}'")
    found = x if x.dtype == np.uint8 else finite_floats(x, where_x)
    if channels == "first":
        if found.ndim != 4:
            raise UsageError(
                f'{where_x} has shape {found.shape}; data.channels = "first" takes (samples, channels, height, width);'
                " remove it"
            )
        found = np.ascontiguousarray(np.moveaxis(found, 1, 3))
    return (found[:, np.newaxis] if found.ndim == 1 else found), y
