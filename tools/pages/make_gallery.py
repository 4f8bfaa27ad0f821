#!/usr/bin/env python3
"""Run the scenarios of the gallery: writes docs/gallery-figures.md and docs/figures/gallery/NAME.png for each.

usage: python -m tools.pages.make_gallery [--kept FOLDER] [NAME...]

All of them, or those named and those that the page lacks. Traces are kept in FOLDER, and a figure whose trace there is
complete and of the same scenario is only drawn.
"""

import argparse
import re
import sys
from pathlib import Path

import pcsim
from pcsim.scenario import Scenario, list_scenarios, read_scenario, scenario_text
from pcsim.studies import load_kind, results_of
from tools.studies.pages import DOCS, measured, table

PAGE = DOCS / "gallery-figures.md"
PICTURES = DOCS / "figures" / "gallery"
HEADING = "# Gallery: measured figures\n"


def section(name: str, kept: Path) -> str:
    """Run one scenario unless that has been done, save its picture and return its table in Markdown."""
    scenario, path = read_scenario(name), kept / f"{name}.h5"
    with pcsim.open_trace(path) if is_done(path, scenario) else pcsim.run(scenario, path=path, force=True) as trace:
        rows = load_kind(str(trace.attributes["study"])).table(results_of(trace))
        PICTURES.mkdir(parents=True, exist_ok=True)
        pcsim.plot([trace], PICTURES / f"{name}.png", force=True)
    numbers = table(list(rows[0]), [list(row.values()) for row in rows])
    place = f"{scenario.backend.precision_name} on {scenario.backend.name}"
    return f"## {name}\n\n{scenario.title}; {place}.\n\n{numbers}\n{measured('pages/make_gallery.py')}"


def is_done(path: Path, scenario: Scenario) -> bool:
    """Tell whether a trace is the complete one of a scenario."""
    if not path.exists():
        return False
    with pcsim.open_trace(path) as trace:
        same = trace.provenance["scenario"].strip() == scenario_text(scenario).strip()
        return same and trace.attributes["status"] == "complete"


def main() -> int:
    """Measure what is wanted and write the page, the other sections as they were."""
    parser = argparse.ArgumentParser(description="Run the scenarios of the gallery and write its tables and pictures.")
    parser.add_argument("wanted", nargs="*", metavar="NAME", help="figures to make anew; without any all")
    parser.add_argument("--kept", type=Path, default=Path("kept-runs"), help="folder that keeps traces")
    given = parser.parse_args()
    wanted: list[str] = given.wanted
    given.kept.mkdir(parents=True, exist_ok=True)
    names = [name for name, _ in list_scenarios() if name.startswith("fig-")]
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        print(f"no scenario of the gallery: {', '.join(unknown)}", file=sys.stderr)
        return 2
    old = PAGE.read_text() if PAGE.exists() else ""
    kept = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", old, re.M | re.S))
    for name in names:
        if not wanted or name in wanted or name not in kept:
            kept[name] = section(name, given.kept).partition("\n")[2]
            print(name, flush=True)
            # After each: a figure takes a while, and what is done is not done again where the rest is named.
            sections = [f"## {each}\n{kept[each].rstrip()}\n" for each in names if each in kept]
            PAGE.write_text("\n".join([HEADING, *sections]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
