#!/usr/bin/env python3
"""Put every local method on one bench: does what runs are missing, writes docs/methods-figures.md and its figures.

usage: PCSIM_DATA=FOLDER python -m tools.pages.make_methods_page [--network TEXT] [--only TEXT] [--kept FOLDER]

Needs pcsim[jax], MNIST and Fashion-MNIST. Every finished run is a line of docs/methods-runs.jsonl and is not done
again. Networks come one after another, and the page is written after each run; all of it takes a night on two cores. A
method or a network joins with one line of tools/studies/local_methods.py.
"""

import argparse
import sys
import time
from pathlib import Path

from pcsim.errors import RunFailed
from pcsim.report.plotting import save
from tools.studies.finished import Planned, run_apart
from tools.studies.local_figures import draw, draw_by_layer
from tools.studies.local_methods import NETWORKS, Cell, cells, chosen
from tools.studies.local_runs import LocalRun, read_runs
from tools.studies.local_table import page
from tools.studies.pages import DOCS

RUNS = DOCS / "methods-runs.jsonl"
PROGRAM = "tools.studies.local_runs"


def following(wanted: list[Cell], found: dict[str, LocalRun], failed: set[str]) -> Planned | None:
    """Return the next run to do, the first seed of every cell of a network before the second; None at the end."""
    validated = {digest: run.validation for digest, run in found.items()}
    validated |= dict.fromkeys(failed)
    ranked: list[tuple[tuple[int, int, int], Planned]] = []
    for number, cell in enumerate(wanted):
        step_size, missing = chosen(cell, validated)
        for run in missing or cell.runs(step_size):
            if run.digest() not in found and run.digest() not in failed:
                ranked.append(((NETWORKS.index(cell.network), 0 if missing else run.seed, number), run))
    return min(ranked, key=lambda each: each[0])[1] if ranked else None


def write(found: dict[str, LocalRun]) -> None:
    """Write page and figures of what is finished."""
    (DOCS / "methods-figures.md").write_text(page(found), encoding="utf-8")
    save(draw(found), DOCS / "figures" / "methods.png", force=True)
    save(draw_by_layer(found), DOCS / "figures" / "methods-by-layer.png", force=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Do what runs docs/methods-figures.md lacks, and write it.")
    parser.add_argument("--network", default="", help="networks with this text in their name, as in '64 layers'")
    parser.add_argument("--only", default="", help="methods with this text in their name; of none: the page alone")
    parser.add_argument("--kept", type=Path, default=Path("kept-runs"), help="folder of the run that is under way")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no run after so long")
    given = parser.parse_args()
    given.kept.mkdir(parents=True, exist_ok=True)
    begun, failed = time.monotonic(), set[str]()
    wanted = [cell for cell in cells() if given.network in cell.network.name and given.only in cell.method.name]
    while True:
        found = read_runs(RUNS)
        write(found)
        run = following(wanted, found, failed)
        if run is None or time.monotonic() - begun > given.seconds:
            return int(bool(failed))
        print(*run.overrides, f"seed {run.seed}", flush=True)
        try:
            run_apart(run, RUNS, given.kept, PROGRAM)
        except RunFailed as error:
            failed.add(run.digest())
            print(f"error: {error}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
