"""The live page in Chromium: traces that appear, curves that grow, a run that is killed."""

import re
from pathlib import Path
from threading import Thread

import pytest

from pcsim.report.live.server import LiveServer
from tests.support.browser import Tab, chromium
from tests.support.pages import hostile_trace
from tests.support.trace_samples import child, lines_until

pytestmark = pytest.mark.exhaustive


def test_a_run_is_followed_until_it_is_killed(tmp_path: Path) -> None:
    with chromium() as browser, LiveServer(tmp_path) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        tab = Tab(browser, server.address, offline=False)
        tab.page.get_by_text(f"live: {tmp_path.name}").wait_for()
        with child("obey", tmp_path / "t.h5") as process:
            lines_until(process.stdout, "safe 0")
            assert process.stdin is not None
            for rows in (10, 20):
                process.stdin.write("\n")
                process.stdin.flush()
                tab.page.locator("[data-panel=energy] output", has_text=f"step {rows - 1}").wait_for()
            assert list(tab.columns("energy").values()) == ["19"] * 3
        tab.page.locator("td.killed").wait_for()
        assert "The run was killed" in tab.page.locator("header").inner_text()
        hostile_trace(tmp_path / "evil.h5")
        tab.page.get_by_label("draw evil.h5").check()
        tab.page.locator("[data-panel=energy] tbody tr").nth(1).wait_for()
        assert tab.page.locator("[data-panel=energy] tbody td:last-child").all_inner_texts() == ["19", "0"]
        assert tab.page.title() == "t.h5 · pcsim"
        for name in ("t.h5", "evil.h5"):
            tab.page.get_by_label(f"draw {name}").uncheck()
        for _ in range(2):  # the second is asked for when the page has taken in the first
            with tab.page.expect_response(re.compile("/changes")):
                pass
        assert tab.page.get_by_role("checkbox", checked=True).count() == 0
        assert tab.page.locator("[data-panel]").count() == 0
        tab.page.get_by_label("draw t.h5").check()
        tab.page.locator("[data-panel=energy]").wait_for()
        assert tab.said == []
        tab.context.set_offline(True)
        tab.page.get_by_text("not live any more").wait_for()
        assert tab.page.locator("[data-panel=energy]").count() == 1
        server.shutdown()
