"""Data sets of a user's own: a function of a seed that returns arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pcsim.datasets.checks import finite_floats, labels_or_targets, real_array, same_length
from pcsim.datasets.dataset import Dataset
from pcsim.errors import UsageError
from pcsim.extensions import origin_of
from pcsim.typing import NDArray


def own_dataset(name: str, function: Callable[[int], Any], seed: int) -> Dataset:
    """Return the data set that a function makes from a seed: x and y, or x, y, x_test and y_test.

    `x` is (samples, …), `y` (samples,) or (samples, outputs); they are taken as they are, inputs in float64. Raises
    `UsageError`, one line, for anything else.
    """
    found = function(seed)
    if isinstance(found, Dataset):
        return found
    if not isinstance(found, Sequence) or len(found) not in (2, 4):
        raise UsageError(f"the data set '{name}' must return x and y, or x, y, x_test and y_test, not {_shown(found)}")
    arrays = [np.asarray(array) for array in found]
    x, y = _part(name, "x", "y", arrays[:2])
    x_test, y_test = _part(name, "x_test", "y_test", arrays[2:]) if len(arrays) > 2 else (None, None)
    for whole, part in ((x, x_test), (y, y_test)):
        if part is not None and part.shape[1:] != whole.shape[1:]:
            raise UsageError(
                f"the data set '{name}': one test sample has shape {part.shape[1:]} but one to learn from has "
                f"{whole.shape[1:]}; they must agree"
            )
    return Dataset(name, x, y, x_test, y_test, f"{name}, made by {origin_of(function).module} with seed {seed}")


def _part(name: str, x_name: str, y_name: str, arrays: Sequence[NDArray[Any]]) -> tuple[NDArray[Any], NDArray[Any]]:
    where_x, where_y = (f"the data set '{name}': {each}" for each in (x_name, y_name))
    x = real_array(arrays[0], where_x)
    y = labels_or_targets(arrays[1], where_y)
    same_length(x, y, where_x, f"'{y_name}'")
    floats = finite_floats(x, where_x)
    return (floats[:, np.newaxis] if floats.ndim == 1 else floats), y


def _shown(found: Any) -> str:
    return f"{len(found)} things" if isinstance(found, Sequence) else type(found).__name__
