"""Chromium without a window and without a network, where there is one."""

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")


@contextmanager
def chromium() -> Generator[Any]:
    """Give a browser that Playwright drives; skip the tests where there is none."""
    driver = pytest.importorskip("playwright.sync_api", reason="needs Playwright: pip install playwright")
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Tab:
    """A page that is open: what is on it, and what the console has said."""

    def __init__(self, browser: Any, address: str, *, offline: bool = True, **options: Any) -> None:
        self.context = browser.new_context(offline=offline, **options)
        self.page = self.context.new_page()
        self.said: list[str] = []
        self.page.set_default_timeout(10_000)
        self.page.on("console", self._hear)
        self.page.on("pageerror", self._hear)
        self.page.goto(address)

    def _hear(self, said: Any) -> None:
        self.said.append(str(getattr(said, "text", said)))

    @classmethod
    def of(cls, browser: Any, path: Path, **options: Any) -> "Tab":
        """Open a file."""
        return cls(browser, path.resolve().as_uri(), **options)

    def pictures(self) -> list[int]:
        """Return how many colours each canvas in sight has; one that is blank has one."""
        script = """canvas => {
            const copy = new OffscreenCanvas(canvas.width, canvas.height);
            const context = copy.getContext('2d', { willReadFrequently: true });
            context.drawImage(canvas, 0, 0);
            return new Set(new Uint32Array(context.getImageData(0, 0, copy.width, copy.height).data.buffer)).size;
        }"""
        return [canvas.evaluate(script) for canvas in self.page.locator("canvas:visible").all()]

    def columns(self, panel: str) -> dict[str, str]:
        """Return what the buttons of a panel say of each column."""
        chips = self.page.locator(f"[data-panel='{panel}'] .chips button:has(b)")
        names = chips.evaluate_all("all => all.map(one => one.childNodes[1].textContent)")
        return dict(zip(names, chips.locator("b").all_inner_texts(), strict=True))

    def where(self, panel: str) -> str:
        return self.page.locator(f"[data-panel='{panel}'] output").inner_text()

    def hover(self, target: str, across: float, down: float = 0.5) -> None:
        """Move the pointer to a place within what a selector finds first."""
        box = self.page.locator(target).first.bounding_box()
        self.page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
