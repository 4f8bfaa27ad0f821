"""Room for what kernels make on the way: every thread keeps its own for the next call, at no cost for new memory."""

import threading
from typing import Any

import numpy as np

from pcsim.typing import NDArray
from pcsim_numba.kernels.memory import LINE, aligned

_KEPT = threading.local()
# Once glibc has seen a block of this size come and go, it keeps as much freed memory for the next states. Until then it
# hands pages back, and every step pays for them again.
np.empty(2**25 - 2**16, np.uint8)


def rooms(dtype: np.dtype[Any], *counts: int) -> list[NDArray[Any]]:
    """Return arrays of so many numbers, which begin where vectors do and hold anything.

    They are the calling thread's until it asks for rooms again.
    """
    ends = np.cumsum([-(-count * dtype.itemsize // LINE) * LINE for count in counts])
    kept: NDArray[np.uint8] | None = getattr(_KEPT, "room", None)
    if kept is None or len(kept) < ends[-1]:
        kept = _KEPT.room = aligned(int(ends[-1]), np.dtype(np.uint8))
    starts = [0, *ends[:-1].tolist()]
    return [kept[at : at + count * dtype.itemsize].view(dtype) for at, count in zip(starts, counts, strict=True)]
