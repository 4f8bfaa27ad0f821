"""What the arrays of a user's data must satisfy before anything is computed from them."""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from pcsim.errors import UsageError
from pcsim.model.arithmetic import overflow_limit
from pcsim.typing import NDArray

_REAL_KINDS = "fiub"


def real_array(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Return the array if it holds real numbers and at least one sample; raises UsageError otherwise."""
    if array.dtype.kind not in _REAL_KINDS:
        kind = "complex numbers" if array.dtype.kind == "c" else f"values of type {array.dtype}"
        raise UsageError(f"{where} holds {kind}; allowed are real numbers (floats or integers)")
    if array.ndim == 0:
        raise UsageError(f"{where} is a single number; its first axis must count the samples")
    if len(array) == 0:
        raise UsageError(f"{where} holds no samples (shape {array.shape}); at least one is needed")
    if array.size == 0:
        raise UsageError(f"{where} has samples without entries (shape {array.shape}); at least one is needed")
    return array


def finite_floats(array: NDArray[Any], where: str) -> Float64[np.ndarray, "samples *shape"]:
    """Return the array in float64; raises UsageError naming the first sample with NaN or infinite entries."""
    # a long double may overflow to inf here, which the test below reports
    with np.errstate(all="ignore"):
        floats = array.astype(np.float64)
    bad = np.logical_not(np.isfinite(floats).reshape(len(floats), -1).all(axis=1))
    if bad.any():
        first = int(np.argmax(bad))
        entries = floats[first].ravel()
        value = entries[~np.isfinite(entries)][0]
        raise UsageError(
            f"{where} holds {value} in sample {first} ({np.count_nonzero(bad)} of {len(floats)} samples are"
            " not finite); remove or repair those samples"
        )
    return floats


def require_range(array: NDArray[Any], precision: str, where: str, of: str = "sample") -> None:
    """Raise UsageError, naming the first sample, for floats that a precision rounds to infinity, and for NaN.

    `of` is what the first axis counts. Integers are labels or pixels, which every precision holds.
    """
    limit = overflow_limit(precision)
    # A comparison with NaN is false.
    if array.dtype.kind != "f" or array.size == 0 or (-limit < float(array.min()) and float(array.max()) < limit):
        return
    fits = np.abs(array.reshape(len(array), -1)) < np.float64(limit)
    bad = ~fits.all(axis=1)
    first = int(np.argmax(bad))
    value = float(array.reshape(len(array), -1)[first][~fits[first]][0])
    share = f"{np.count_nonzero(bad)} of {len(array)} {of}s"
    raise UsageError(
        f"{where} holds {value} in {of} {first}, which is no finite number in {precision} ({share} hold such);"
        " scale them, or use a wider precision, such as float64"
    )


def labels_or_targets(array: NDArray[Any], where: str) -> NDArray[Any]:
    """Return integer labels (samples,) as int64, and floats (samples,) or targets (samples, n) as float64.

    Raises UsageError for other shapes, negative labels but -1 beside 1 alone, labels beyond int64, and values that are
    not finite.
    """
    real_array(array, where)
    if array.ndim > 2:
        raise UsageError(
            f"{where} has shape {array.shape}; allowed are labels (samples,) and targets (samples, outputs)"
        )
    if array.ndim == 2 or array.dtype.kind == "f":
        return finite_floats(array, where)
    low, high = array.min(), array.max()
    if (low < 0 and not ((array == -1) | (array == 1)).all()) or high > np.iinfo(np.int64).max:
        bad = np.flatnonzero((array < 0) | (array > np.iinfo(np.int64).max))
        raise UsageError(
            f"{where}: label {array[bad[0]]} at sample {bad[0]}; labels are whole numbers from 0, or -1 and 1 alone"
        )
    return array.astype(np.int64)


def same_length(x: NDArray[Any], y: NDArray[Any], where_x: str, where_y: str) -> None:
    """Raise UsageError unless both arrays count the same number of samples."""
    if len(x) != len(y):
        raise UsageError(f"{where_x} has {len(x)} samples but {where_y} has {len(y)}; each sample needs one of each")


def require_classes(y: Int64[np.ndarray, " samples"], classes: int, where: str, fix: str, first: int = 0) -> None:
    """Raise UsageError, naming the first sample, for labels beyond 0 … classes − 1, in the file from `first` on."""
    bad = np.flatnonzero((y < 0) | (y >= classes))
    if bad.size:
        raise UsageError(
            f"{where}: label {y[bad[0]] + first} of sample {bad[0]}; needed are labels {first}..{first + classes - 1}: "
            f"damaged, or another file; {fix}"
        )
