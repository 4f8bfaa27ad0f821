"""What the tests of float16 and bfloat16 share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pcsim_numpy.number.rounded import Rounded, Unit, unit_of
from pcsim_numpy.number.rounding import FORMATS

from pcsim.model.arithmetic import Arithmetic

NARROW = sorted(FORMATS)


def unit(precision: str, **options: Any) -> Unit:
    return unit_of(precision, Arithmetic(**options))


def patterns(precision: str, seed: int) -> NDArray[Any]:
    """Every bit pattern of the format, shuffled."""
    bits = np.random.default_rng(seed).permutation(2**16).astype(np.uint16)
    return bits.view(FORMATS[precision].dtype)


def rounded(array: NDArray[Any], **options: Any) -> Rounded:
    precision = {dtype: name for name, dtype in ((n, f.dtype) for n, f in FORMATS.items())}[array.dtype]
    return Rounded(array.astype(np.float32), unit(precision, **options))


def ulps_apart(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.int64]:
    """Distance in representable numbers; NaN is 0 from NaN."""

    def ordinal(x: NDArray[Any]) -> NDArray[np.int64]:
        bits = x.view(np.uint16).astype(np.int64)
        return np.where(bits < 2**15, bits, 2**15 - bits)

    return np.where(np.isnan(a) & np.isnan(b), 0, np.abs(ordinal(a) - ordinal(b)))


def assert_same_bits(ours: Any, native: NDArray[Any]) -> None:
    values = ours.values.astype(native.dtype)
    np.testing.assert_array_equal(values.astype(np.float32), ours.values)
    both_nan = np.isnan(values) & np.isnan(native)
    np.testing.assert_array_equal(values.view(np.uint16)[~both_nan], native.view(np.uint16)[~both_nan])
