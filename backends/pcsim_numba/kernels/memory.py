"""Arrays that begin where vectors do."""

from typing import Any

import numpy as np

from pcsim.typing import NDArray

LINE = 64


def aligned(size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return zeros (size,) that begin with a line of the cache: no vector then lies across two."""
    raw = np.zeros(size * dtype.itemsize + LINE, np.uint8)
    start = -raw.ctypes.data % LINE
    return raw[start : start + size * dtype.itemsize].view(dtype)
