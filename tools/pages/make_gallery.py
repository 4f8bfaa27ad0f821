#!/usr/bin/env python3
"""Run the scenarios of the gallery: writes docs/gallery-figures.md and docs/figures/gallery/NAME.png for each.

usage: python -m tools.pages.make_gallery [NAME...]   (all, some minutes; or those named, whose tables are replaced)
"""

import re
import sys

import pcsim
from pcsim.scenario import list_scenarios, read_scenario
from pcsim.studies import load_kind, results_of
from tools.studies.pages import DOCS, measured, table

PAGE = DOCS / "gallery-figures.md"
PICTURES = DOCS / "figures" / "gallery"
HEADING = "# Gallery: measured figures\n"


def section(name: str) -> str:
    """Run one scenario, save its picture and return its table in Markdown."""
    scenario = read_scenario(name)
    with pcsim.run(scenario) as trace:
        rows = load_kind(str(trace.attributes["study"])).table(results_of(trace))
        PICTURES.mkdir(parents=True, exist_ok=True)
        pcsim.plot([trace], PICTURES / f"{name}.png", force=True)
    numbers = table(list(rows[0]), [list(row.values()) for row in rows])
    place = f"{scenario.backend.precision_name} on {scenario.backend.name}"
    return f"## {name}\n\n{scenario.title}; {place}.\n\n{numbers}\n{measured('pages/make_gallery.py')}"


def main(wanted: list[str]) -> int:
    """Measure what is wanted and write the page, the other sections as they were."""
    names = [name for name, _ in list_scenarios() if name.startswith("fig-")]
    unknown = sorted(set(wanted) - set(names))
    if unknown:
        print(f"no scenario of the gallery: {', '.join(unknown)}", file=sys.stderr)
        return 2
    old = PAGE.read_text() if PAGE.exists() else ""
    kept = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", old, re.M | re.S))
    sections: list[str] = []
    for name in names:
        if wanted and name not in wanted and name in kept:
            sections.append(f"## {name}\n{kept[name].rstrip()}\n")
            continue
        sections.append(section(name))
        print(name, flush=True)
    PAGE.write_text("\n".join([HEADING, *sections]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
