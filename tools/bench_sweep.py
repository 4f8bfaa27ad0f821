#!/usr/bin/env python3
"""Time a sweep of 12 configurations and 3 seeds one after another and in several processes, on quiet cores.

usage: python tools/bench_sweep.py [--jobs 2] [--epochs 20]

Trains a small network on the shipped digits. Prints the seconds of both ways, how many times faster the second is, and
what a run costs beside its own time one after another: rows on disk, the file, keys. Processes take some seconds to
start, which count. Exit code 1 where the numbers of both are not the same to the bit.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from studies.pages import measured

import pcsim
from pcsim.studies import results_of

CHANGES = [
    "sweep.learning.lr=[1e-4, 3e-4, 1e-3, 3e-3]",
    "sweep.inference.step_size=[0.03, 0.1, 0.3]",
    "sweep.seed=[0, 1, 2]",
]


def seconds(epochs: int, jobs: int, path: Path) -> tuple[float, float, dict[str, bytes]]:
    """Run the sweep; return its seconds, those of its runs together, and its numbers as bytes."""
    scenario = pcsim.read_scenario("train-digits", [*CHANGES, f"learning.epochs={epochs}"])
    begun = time.perf_counter()
    with pcsim.run(scenario, path=path, jobs=jobs) as trace:
        took = time.perf_counter() - begun
        numbers = {name: each.values.tobytes() for name, each in results_of(trace).items()}
        return took, sum(pcsim.results(trace).seconds), numbers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone, runs, numbers = seconds(given.epochs, 1, Path(folder) / "alone.h5")
        together, _, others = seconds(given.epochs, given.jobs, Path(folder) / "together.h5")
    print(measured("bench_sweep.py"))
    print(f"one after another {alone:.1f} s, beside the runs {1000 * (alone - runs) / 36:.0f} ms a run")
    print(f"in {given.jobs} processes {together:.1f} s, {alone / together:.2f} times as fast")
    return int(numbers != others)


if __name__ == "__main__":
    sys.exit(main())
