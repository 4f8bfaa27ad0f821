#!/usr/bin/env python3
"""Time a sweep of 12 configurations and 3 seeds one after another and in several processes, on quiet cores.

usage: python tools/bench_sweep.py [--jobs 2] [--epochs 20] [--mnist]

Trains a small network on the shipped digits, or on images of MNIST (which PCSIM_DATA leads to). Prints the seconds of
both ways, how many times faster the second is, what a run costs beside its own time one after another (rows on disk,
the file, keys), runs an hour, and processor times, which others on the machine hardly change: those of the processes,
and of the one that hands out runs and writes. Processes take half a second to start, which counts. Exit code 1 where
the numbers of both are not the same to the bit.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from studies.pages import measured

import pcsim
from pcsim.studies import results_of

CHANGES = [
    "sweep.learning.lr=[1e-4, 3e-4, 1e-3, 3e-3]",
    "sweep.inference.step_size=[0.03, 0.1, 0.3]",
    "sweep.seed=[0, 1, 2]",
]
MNIST = ["data.name=mnist", "data.samples=6000", "network.widths=[784,64,64,10]"]
RUNS = 36


class Took(NamedTuple):
    """Seconds of a sweep by the clock, of its runs together, and of processors: here, and in processes of its own."""

    wall: float
    runs: float
    here: float
    there: float


def timed(words: list[str], jobs: int, path: Path) -> tuple[Took, dict[str, bytes]]:
    """Run the sweep; return what it took, and its numbers as bytes."""
    scenario = pcsim.read_scenario("train-digits", [*CHANGES, *words])
    run, before, begun = pcsim.run, os.times(), time.perf_counter()
    with run(scenario, path=path, jobs=jobs) as trace:
        wall, after = time.perf_counter() - begun, os.times()
        here = after.user + after.system - before.user - before.system
        there = after.children_user + after.children_system - before.children_user - before.children_system
        numbers = {name: each.values.tobytes() for name, each in results_of(trace).items()}
        return Took(wall, sum(pcsim.results(trace).seconds), here, there), numbers


def in_an_hour(seconds: float) -> str:
    """Return how many runs an hour gives where all take so many seconds."""
    return f"{3600 * RUNS / seconds:,.0f}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--mnist", action="store_true", help="train on 6,000 images of MNIST")
    given = parser.parse_args()
    words = [f"learning.epochs={given.epochs}", *(MNIST if given.mnist else [])]
    with tempfile.TemporaryDirectory() as folder:
        alone, numbers = timed(words, 1, Path(folder) / "alone.h5")
        together, others = timed(words, given.jobs, Path(folder) / "together.h5")
    print(measured("bench_sweep.py"))
    print(
        f"one after another {alone.wall:.1f} s, beside the runs {1000 * (alone.wall - alone.runs) / RUNS:.0f} ms a run;"
        f" of a processor {alone.here:.1f} s"
    )
    print(
        f"in {given.jobs} processes {together.wall:.1f} s, {alone.wall / together.wall:.2f} times as fast;"
        f" of processors {together.there:.1f} s there, {together.here:.2f} s here,"
        f" {1000 * together.here / RUNS:.0f} ms a run"
    )
    print(
        f"runs an hour: {in_an_hour(alone.wall)} one after another, {in_an_hour(together.wall)} in {given.jobs}"
        f" processes, {in_an_hour(alone.here)} for every core that has nothing else to do"
    )
    return int(numbers != others)


if __name__ == "__main__":
    sys.exit(main())
