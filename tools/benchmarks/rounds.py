"""Workloads that take turns, so that none has a better hour than another."""

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import TypeVar

Name = TypeVar("Name")
PAUSE = 0.3
WARM = 0.05
"""Seconds of a workload that do not count: threads that slept may wake on one core, where they stay for some time."""


def medians(work: Mapping[Name, Callable[[], float]], rounds: int) -> dict[Name, float]:
    """Return the median of what every workload returns, each run once before any counts."""
    for call in work.values():
        call()
    found: dict[Name, list[float]] = {name: [] for name in work}
    for _ in range(rounds):
        for name, call in work.items():
            # No workload is to pay for the one before: its threads go to sleep, then the caches are filled.
            time.sleep(PAUSE)
            warm = time.perf_counter() + WARM
            call()
            while time.perf_counter() < warm:
                call()
            found[name].append(call())
    return {name: median(values) for name, values in found.items()}
