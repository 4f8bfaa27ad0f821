#!/usr/bin/env python3
"""Draw what docs/view.md shows: a page of two runs in Chromium, as docs/figures/view.png.

usage: python -m tools.pages.make_view_picture
"""

import tempfile
from pathlib import Path

import pcsim
from tests.support.browser import Tab, chromium
from tools.studies.pages import DOCS

FORMS = ("standard", "increment")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        traces = [
            pcsim.run(pcsim.read_scenario("signal-decay", [f"inference.form={form}"]), path=Path(folder, f"{form}.h5"))
            for form in FORMS
        ]
        page = pcsim.view(traces, Path(folder, "view.html"))
        tab = Tab.of(browser, page, viewport={"width": 1120, "height": 900})
        tab.hover(".u-over", 0.9)
        tab.page.screenshot(path=DOCS / "figures" / "view.png")


if __name__ == "__main__":
    main()
