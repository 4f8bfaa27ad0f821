"""Pages of traces in Chromium, from a file and without a network."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.trace import Block
from tests.support.browser import Tab, chromium
from tests.support.pages import hostile_trace
from tests.support.scenario_files import TEXT, Files
from tests.support.trace_samples import create, layout

pytestmark = pytest.mark.exhaustive


@pytest.fixture(scope="module")
def browser() -> Generator[Any]:
    with chromium() as found:
        yield found


def viewed(name: str, *overrides: str, path: str = "t.h5") -> Path:
    with pcsim.run(pcsim.read_scenario(name, overrides), path=path) as trace:
        return pcsim.view([trace], Path(path).with_suffix(".html"))


def test_hovering_reads_values_and_layers_switch(browser: Any, files: Files) -> None:
    path = viewed("signal-decay")
    assert path.stat().st_size <= 100_000
    tab = Tab.of(browser, path)
    assert min(tab.pictures()) > 10
    with pcsim.open_trace("t.h5") as trace:
        for across in (0.3, 0.9):
            tab.hover(".u-over", across)
            step = int(tab.where("energy").rpartition(" ")[2])
            found = tab.columns("energy")
            assert list(found) == list(trace.layer_names)
            np.testing.assert_allclose([float(value) for value in found.values()], trace.energy[step], rtol=6e-4)
        tab.hover(".heat canvas", 0.9, 0.02)
        step = int(tab.where("energy").split(",")[0].rpartition(" ")[2])
        assert tab.where("energy") == f"inference step {step}, output: {trace.energy[step, -1]:.4g}"
    before = tab.page.locator(".plot canvas").evaluate("canvas => canvas.toDataURL()")
    tab.page.locator(".chips button").nth(5).press("Enter")
    assert tab.page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
    assert tab.page.locator(".plot canvas").evaluate("canvas => canvas.toDataURL()") != before
    tab.page.locator("[data-panel=energy] input").press("Home")
    assert tab.where("energy") == "inference step 0"
    assert tab.said == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_all_of_training(browser: Any, files: Files, scheme: str) -> None:
    text = TEXT.replace("batch = 16", "batch = 256") + "\n[learning]\nepochs = 2\n"
    path = viewed(str(files.write(text)), "inference.steps=2")
    tab = Tab.of(browser, path, color_scheme=scheme, viewport={"width": 390, "height": 800}, device_scale_factor=2)
    assert min(tab.pictures()) > 5
    assert len(tab.pictures()) > 10
    assert tab.page.evaluate("document.scrollingElement.scrollWidth") <= 390
    background = tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") == (scheme == "light")
    assert tab.said == []


@pytest.mark.parametrize("rows", [0, 1, 7])
def test_nothing_of_a_hostile_trace_runs(browser: Any, files: Files, rows: int) -> None:
    hostile_trace(Path("evil.h5"), rows)
    with pcsim.open_trace("evil.h5") as trace:
        tab = Tab.of(browser, pcsim.view([trace], "evil.html"))
    assert tab.page.title().startswith("</script><script>")
    assert tab.page.locator("img").count() == 0
    assert tab.page.locator("h1").inner_text().startswith("</script><script>")
    assert tab.said == []
    if rows == 7:
        assert list(tab.columns("energy").values()) == ["4.941e-324", "1", "-1"]
        assert "not finite" in tab.page.locator(".key").inner_text()


def test_of_many_rows_a_stretch_says_its_smallest_and_largest(browser: Any, files: Files) -> None:
    rows = 200_000
    energy = (1 + np.arange(rows)[:, None] % np.array([7, 11, 13])).astype(np.float64)
    with create(Path("big.h5"), layout(frozenset({"energy"}))) as writer:
        writer.append(Block(clock=np.arange(rows), energy=energy))
        with writer.finish("complete", {}, {}) as trace:
            path = pcsim.view([trace], "big.html")
    assert path.stat().st_size < 2_200_000
    tab = Tab.of(browser, path)
    tab.hover(".u-over", 0.97)
    assert list(tab.columns("energy").values()) == ["1 … 7", "1 … 11", "1 … 13"]
    assert "This page does not hold every row" in tab.page.locator("header").inner_text()
    assert tab.said == []


def test_several_traces_are_drawn_over_each_other_and_filtered(browser: Any, files: Files) -> None:
    steps = (2, 3, 4)
    traces = [
        pcsim.run(pcsim.read_scenario(files.write(TEXT), [f"inference.steps={n}"]), path=f"t{n}.h5") for n in steps
    ]
    tab = Tab.of(browser, pcsim.view(traces, "t.html"))
    rows = tab.page.locator("[data-panel=energy] tbody tr")
    assert rows.count() == 3
    expected = [f"{trace.energy[2, -1]:.4g}" for trace in traces]
    assert rows.locator("td:last-child").all_inner_texts() == expected
    tab.page.locator("input[type=search]").fill("steps=3")
    assert tab.page.locator("section[aria-label=traces] tbody tr").count() == 1
    tab.page.get_by_label("draw t3.h5").uncheck()
    assert rows.count() == 2
    assert tab.said == []
