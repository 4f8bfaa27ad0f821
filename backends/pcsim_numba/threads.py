"""The processor's cores, each with a block of samples."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
from numba.core import config

SHORT = 2e6
"""Operations of a stretch below which handing half of it to another thread takes longer than doing it."""
SHORT_CALL = 4e6
"""The same of a single call."""
TALL = 64
"""Samples of a block at most: their states stay in the cache for a whole stretch."""
STEP = 8


_OWN = threading.local()


def count_threads() -> int:
    """Return how many threads may run: `NUMBA_NUM_THREADS`, if not set one for every core this process may use.

    It is one in a thread that works on blocks of its own already.
    """
    return 1 if getattr(_OWN, "works", False) else int(vars(config)["NUMBA_NUM_THREADS"])


def edges(batch: int, work: float) -> list[int]:
    """Return where blocks of a batch begin, and its end; `work` operations a sample are done at once."""
    threads = count_threads() if batch * work > SHORT else 1
    rows = -(-batch // threads)
    rows = min(TALL, -(-rows // STEP) * STEP) if rows > STEP // 2 else rows
    return [*range(0, batch, rows), batch]


def on_all(call: Callable[[int], None], blocks: Sequence[int]) -> None:
    """Call a function for every block, on as many threads as there are cores."""
    if len(blocks) == 1:
        call(blocks[0])
        return
    threads = min(count_threads(), len(blocks))
    others = [_pool(threads - 1, os.getpid()).submit(_share, call, blocks[w::threads]) for w in range(1, threads)]
    _share(call, blocks[0::threads])
    for other in others:
        other.result()


def shared(call: Callable[[int, int], None], count: int, work: float) -> None:
    """Call a function for ranges of as many things, of so many operations each, one range for every core."""
    threads = min(count_threads(), count) if count * work > SHORT_CALL else 1
    ends = [count * k // threads for k in range(threads + 1)]
    on_all(lambda k: call(ends[k], ends[k + 1]), range(threads))


def apart(call: Callable[[Any], Any], parts: Sequence[Any]) -> list[Any]:
    """Return what a function that computes with numpy makes of each part, on as many threads as there are cores."""
    found: list[Any] = [None] * len(parts)

    def one(k: int) -> None:
        # What numpy says of overflow is every thread's own.
        with np.errstate(all="ignore"):
            found[k] = call(parts[k])

    on_all(one, range(len(parts)))
    return found


def _share(call: Callable[[int], None], blocks: Sequence[int]) -> None:
    _OWN.works = True
    try:
        for block in blocks:
            call(block)
    finally:
        _OWN.works = False


@cache
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """Return threads of a process: a fork has none of those of its parent."""
    del process
    return ThreadPoolExecutor(max(threads, 1), thread_name_prefix="pcsim-numba")
