"""Pages of traces as a browser would take them apart, and traces that try to be more than text."""

import base64
import hashlib
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from pcsim.trace import Block, TraceWriter
from tests.support.trace_samples import beginning, block, final, layout

EVIL = "</script><script>document.title = 'run'</script><img src=x onerror=\"document.title = 'run'\">"


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of its scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._within = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = dict(attrs).get("type") or tag

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within:
            self.texts[self._within] = self.texts.get(self._within, "") + data

    @property
    def content(self) -> dict[str, Any]:
        return json.loads(self.texts["application/json"])

    @property
    def policy(self) -> str:
        (found,) = (a["content"] for _, a in self.tags if a.get("http-equiv") == "Content-Security-Policy")
        assert found is not None
        return found

    def allows(self, kind: str) -> bool:
        """Tell whether the policy allows the script or the style that is here, by its digest."""
        digest = base64.b64encode(hashlib.sha256(self.texts[kind].encode()).digest()).decode()
        return f"{kind}-src 'sha256-{digest}'" in self.policy


def page_of(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def hostile_trace(path: Path, rows: int = 5) -> None:
    """Write a trace whose texts are HTML, and whose energies are zero, not finite, and beyond all axes."""
    of = layout(layer_names=(EVIL, "layer\u202e 1", "output"))
    attributes = {
        "title": EVIL,
        "method": EVIL,
        "precision": EVIL,
        "backend": EVIL,
        "device": EVIL,
        "steps_taken": rows,
    }
    provenance = {"scenario": f'title = "{EVIL}', "command": EVIL}
    with TraceWriter.create(path, beginning(of, attributes=attributes, provenance=provenance)) as writer:
        if rows:
            energy = np.resize([0.0, np.nan, np.inf, 1e300, 5e-324, 1.0, -1.0], (rows, 3))
            writer.append(Block(clock=np.arange(rows), energy=energy, grad_norm=block(0, rows).grad_norm))
        writer.finish("complete", {}, final()).close()
