"""Arrays of a user's as a data set: images of bytes are pixels, labels may be texts, all else is taken as it is."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Shaped

from pcsim.datasets.checks import finite_floats, labels_or_targets, real_array, same_length
from pcsim.datasets.class_names import are_names, class_names, in_words, numbered
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.scaling import PixelScaling, unscaled
from pcsim.errors import UsageError
from pcsim.typing import NDArray

Channels = Literal["first", "last"]
KERAS = {"x_train": "x", "y_train": "y"}
"""Other names of arrays."""
_WHITE = 255.0


class _Pair(NamedTuple):
    """Samples and their labels or targets."""

    x: Shaped[np.ndarray, "samples *shape"]
    y: NDArray[Any]


def dataset_of(
    name: str, arrays: Mapping[str, NDArray[Any]], where: str, source: str, channels: Channels = "last"
) -> Dataset:
    """Return a data set of arrays; images that are bytes are scaled to [−1, 1] when asked for, all else is not.

    Arrays: `x` (samples, …) and `y`, (samples,) or (samples, outputs), by these names or as `x_train` and `y_train`,
    optionally `x_test` and `y_test` alike. Labels may be texts. Images have `channels` last, unless these come first:
    (samples, c, h, w). `where` begins errors. Raises UsageError, one line, for anything else.
    """
    x_name, y_name = (_only(arrays, keras, ours, where) for keras, ours in KERAS.items())
    reader = _Reader(arrays, where, channels)
    if are_names(arrays[y_name]):
        classes = class_names(arrays[y_name], f"{where}: array '{y_name}'")
        reader = _Reader(arrays, where, channels, classes)
        source += f", {len(classes)} classes sorted by name: {in_words(classes)}"
    train = reader.read(x_name, y_name)
    scaling = PixelScaling(_WHITE) if train.x.dtype == np.uint8 and train.x.ndim > 2 else unscaled
    tests = arrays.keys() & {"x_test", "y_test"}
    if not tests:
        return Dataset(name, *train, None, None, source, scaling)
    if len(tests) == 1:
        missing = ({"x_test", "y_test"} - tests).pop()
        raise UsageError(f"{where}: has '{tests.pop()}' but no '{missing}'; a test set needs both")
    test = reader.read("x_test", "y_test")
    for said, whole, other, part in ((x_name, train.x, "x_test", test.x), (y_name, train.y, "y_test", test.y)):
        if part.shape[1:] != whole.shape[1:]:
            raise UsageError(
                f"{where}: one sample of '{other}' has shape {part.shape[1:]} but one of '{said}' has"
                f" {whole.shape[1:]}; they must agree"
            )
    if test.x.dtype != train.x.dtype:
        kinds = " but ".join(f"'{each}' holds {arrays[each].dtype}" for each in (x_name, "x_test"))
        raise UsageError(
            f"{where}: {kinds}; bytes (uint8) may be pixels from 0 to 255: store both as bytes, or neither"
        )
    return Dataset(name, *train, *test, source, scaling)


def _only(arrays: Mapping[str, NDArray[Any]], keras: str, ours: str, where: str) -> str:
    """Return by which of two names an array is there."""
    if ours in arrays and keras in arrays:
        raise UsageError(f"{where}: has '{ours}' and '{keras}', two names of the same; keep the one to learn from")
    return ours if ours in arrays else keras


class _Reader(NamedTuple):
    """What reads parts of the data, as errors name them; `classes` are those of labels that are texts."""

    arrays: Mapping[str, NDArray[Any]]
    where: str
    channels: Channels
    classes: tuple[str, ...] | None = None

    def read(self, x_name: str, y_name: str) -> _Pair:
        """Return samples and labels; bytes stay bytes."""
        where_x, where_y = (f"{self.where}: array '{each}'" for each in (x_name, y_name))
        x, labels = real_array(self.arrays[x_name], where_x), self.arrays[y_name]
        y = labels_or_targets(labels, where_y) if self.classes is None else numbered(labels, self.classes, where_y)
        same_length(x, y, where_x, f"'{y_name}'")
        found = x if x.dtype == np.uint8 else finite_floats(x, where_x)
        if self.channels == "first":
            if found.ndim != 4:
                raise UsageError(
                    f'{where_x} has shape {found.shape}; data.channels = "first" takes (samples, channels, height,'
                    " width); remove it"
                )
            found = np.ascontiguousarray(np.moveaxis(found, 1, 3))
        return _Pair(found[:, np.newaxis] if found.ndim == 1 else found, y)
