"""Data sets of a user's own: a function of a seed that returns arrays."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pcsim.datasets.arrays import dataset_of
from pcsim.datasets.dataset import Dataset
from pcsim.errors import UsageError
from pcsim.extensions import origin_of

_NAMES = ("x", "y", "x_test", "y_test")


def own_dataset(name: str, function: Callable[[int], Any], seed: int) -> Dataset:
    """Return the data set that a function makes from a seed: x and y, or x, y, x_test and y_test.

    They are arrays as in an .npz file. Raises `UsageError`, one line, for anything else.
    """
    found = function(seed)
    if isinstance(found, Dataset):
        return found
    if not isinstance(found, Sequence) or len(found) not in (2, 4):
        raise UsageError(f"the data set '{name}' must return x and y, or x, y, x_test and y_test, not {_shown(found)}")
    arrays = {key: np.asarray(array) for key, array in zip(_NAMES, found, strict=False)}
    source = f"{name}, made by {origin_of(function).module} with seed {seed}"
    return dataset_of(name, arrays, f"the data set '{name}'", source)


def _shown(found: Any) -> str:
    return f"{len(found)} things" if isinstance(found, Sequence) else type(found).__name__
