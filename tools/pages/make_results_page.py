#!/usr/bin/env python3
"""Set our test accuracies beside the published ones: does what runs are missing and writes docs/results-figures.md.

usage: PCSIM_DATA=FOLDER python -m tools.pages.make_results_page [--jobs N] [--only TEXT] [--kept FOLDER]

Needs pcsim[jax,numba], MNIST and Fashion-MNIST. Every finished run is a line of docs/results-runs.jsonl and is not done
again; one that is broken off goes on from its last checkpoint in FOLDER. Short runs come first, and the page is written
after each: all of it takes many hours on two cores.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from pcsim.assemble import build_network
from pcsim.errors import RunFailed
from tools.studies.finished import Finished, Planned, read_finished, run_apart
from tools.studies.pages import DOCS
from tools.studies.results_table import GROUPS, page

RUNS = DOCS / "results-runs.jsonl"
PAGE = DOCS / "results-figures.md"


def planned(only: str) -> list[Planned]:
    """Return the runs of the page whose scenario's name has a text in it, the shortest first."""
    runs = [run for group in GROUPS for row in group.rows for run in row.runs if only in run.name]
    return sorted(dict.fromkeys(runs), key=lambda run: (run.seed + 1) * work(run))


def work(run: Planned) -> float:
    """Return how long a run takes beside others: later seeds of short rows come before the first of long ones."""
    scenario = run.scenario()
    if scenario.learning is None:
        raise TypeError(f"{run.name} does not train")
    steps = 0 if scenario.inference.method == "backprop" else scenario.inference.steps
    return scenario.learning.epochs * (1 + steps) * build_network(scenario).multiplications


def write(finished: dict[str, Finished]) -> None:
    """Write the page of what is finished."""
    PAGE.write_text(page(finished), encoding="utf-8")


def run_all(runs: Sequence[Planned], jobs: int, folder: Path) -> int:
    """Do runs, several at a time; return how many did not come to their end."""
    failed = 0
    with ThreadPoolExecutor(jobs) as pool:
        futures = {pool.submit(run_apart, run, RUNS, folder): run for run in runs}
        for done, future in enumerate(as_completed(futures), 1):
            try:
                future.result()
            except RunFailed as error:
                failed += 1
                print(f"error: {error}", file=sys.stderr)
            finished = read_finished(RUNS)
            write(finished)
            run = finished.get(futures[future].digest())
            if run is not None:
                accuracy = "diverged" if run.accuracy is None else f"{100 * run.accuracy:.2f} %"
                print(f"{done} of {len(runs)}: {run.name} seed {run.seed}: {accuracy}, {run.seconds} s", flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Do what runs docs/results-figures.md lacks, and write it.")
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, one thread each")
    parser.add_argument("--only", default="", help="scenarios with this text in their name; of none: the page alone")
    parser.add_argument("--kept", type=Path, default=Path("kept-runs"), help="folder of runs that are under way")
    given = parser.parse_args()
    given.kept.mkdir(parents=True, exist_ok=True)
    finished = read_finished(RUNS)
    missing = [run for run in planned(given.only) if run.digest() not in finished]
    write(finished)
    print(f"{len(missing)} runs to do", flush=True)
    return int(bool(run_all(missing, given.jobs, given.kept)))


if __name__ == "__main__":
    sys.exit(main())
