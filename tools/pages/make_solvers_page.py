#!/usr/bin/env python3
"""Measure what docs/solvers.md tells: writes docs/solvers-figures.md and the figures docs/figures/solvers-*.png.

usage: python -m tools.pages.make_solvers_page        (some minutes; needs pcsim[jax])
"""

import sys

from pcsim.report.plotting import save
from tools.studies.constant_steps import euler_against_heun
from tools.studies.decay_in_time import decay
from tools.studies.pages import DOCS, measured
from tools.studies.work_precision import DEEP, MILD, PRECISE, Point, draw_work, work_and_precision, work_tables


def main() -> int:
    studies: dict[str, dict[str, list[Point]]] = {}
    notes: dict[str, str] = {}
    for problem in (MILD, DEEP, PRECISE):
        studies[problem.title], notes[problem.title] = work_and_precision(problem)
    save(draw_work(studies), DOCS / "figures" / "solvers-work-precision.png", force=True)
    page = (
        "# Solvers: measured figures\n\n"
        + measured("pages/make_solvers_page.py")
        + work_tables(studies, notes)
        + euler_against_heun()
        + decay()
    )
    (DOCS / "solvers-figures.md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
