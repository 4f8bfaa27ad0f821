"""Room for what kernels make on the way: every thread keeps its own for the next call, at no cost for new memory."""

import threading
from itertools import accumulate
from typing import Any

import numpy as np

from pcsim.typing import NDArray
from pcsim_numba.kernels.memory import LINE, aligned

# Once glibc has seen a block of this size come and go, it keeps as much freed memory for the next states. Until then it
# hands pages back, and every step pays for them again.
np.empty(2**25 - 2**16, np.uint8)


class _Kept(threading.local):
    """A thread's room, and how it was divided before."""

    def __init__(self) -> None:
        self.room = aligned(0, np.dtype(np.uint8))
        self.divided: dict[tuple[Any, ...], list[NDArray[Any]]] = {}


_KEPT = _Kept()


def rooms(dtype: np.dtype[Any], *counts: int) -> list[NDArray[Any]]:
    """Return arrays of so many numbers, which begin where vectors do and hold anything.

    They are the calling thread's until it asks for rooms again.
    """
    known = _KEPT.divided.get((dtype, *counts))
    if known is not None:
        return known
    begins = list(accumulate((-(-count * dtype.itemsize // LINE) * LINE for count in counts), initial=0))
    if begins[-1] > len(_KEPT.room):
        _KEPT.room = aligned(begins[-1], np.dtype(np.uint8))
        _KEPT.divided.clear()
    room = _KEPT.room
    found = [room[at : at + n * dtype.itemsize].view(dtype) for at, n in zip(begins, counts, strict=False)]
    _KEPT.divided[(dtype, *counts)] = found
    return found
