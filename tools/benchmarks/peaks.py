"""What the machine can do at most: products of large float32 matrices, and memory read and written."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

SIDE = 2048
TRIES = 5
NUMBERS = 2**26
"""float32 numbers of an array that no cache holds: 256 MiB."""


def product_rate() -> Callable[[], float]:
    """Return a function that measures 10⁹ operations a second of a product of large float32 matrices."""
    a = np.random.default_rng(0).standard_normal((SIDE, SIDE)).astype(np.float32)
    return lambda: 2 * SIDE**3 / _seconds(lambda: np.matmul(a, a)) / 1e9


def memory_rate() -> Callable[[], float]:
    """Return a function that measures 10⁹ bytes a second of adding to an array: each number is read and written."""
    a = np.zeros(NUMBERS, np.float32)
    return lambda: 2 * a.nbytes / _seconds(lambda: np.add(a, np.float32(1), out=a)) / 1e9


def _seconds(call: Callable[[], Any]) -> float:
    """Return the least of a few times: what is measured is a bound."""
    found: list[float] = []
    for _ in range(TRIES):
        start = time.perf_counter()
        call()
        found.append(time.perf_counter() - start)
    return min(found)
