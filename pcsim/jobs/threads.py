"""How many threads BLAS uses, and how many processors there are: thread counts change the order of sums."""

import os
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_thread() -> AbstractContextManager[Any]:
    """Let BLAS use one thread, so that the last bits are the same however many calls run at a time."""
    return _pools().limit(limits=1, user_api="blas")


def blas_pools() -> list[dict[str, Any]]:
    """Return what threadpoolctl knows of the BLAS libraries here, `num_threads` among it."""
    return _pools().select(user_api="blas").info()


def usable_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def _pools() -> ThreadpoolController:
    import scipy.linalg  # noqa: F401  # pyright: ignore[reportUnusedImport]  (it brings a BLAS of its own)

    return ThreadpoolController()
