"""One HTML document of all that a page needs: its style, its scripts, and what it shows as JSON that is only read."""

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from pcsim.figures.files import MARK

_SCRIPTS = (
    *("base", "colours", "scales", "rows", "lines", "heat", "figure"),
    *("words", "list", "figures", "about", "live", "start"),
)
"""From what others use to what uses them; the parts of the page from top to bottom."""
_UPLOT = "uPlot.iife.min.js"


def document(content: dict[str, Any], *, live: bool = False) -> str:
    """Return a page that shows the content.

    Nothing in it is run or taken for HTML: it is JSON with every `<` escaped, and the page's policy lets no script run
    and nothing be loaded but what is here; a live page may ask its own server.
    """
    style, script = _style(), _script(live or len(content["traces"]) > 1, live)
    policy = [
        "default-src 'none'",
        "img-src data:",
        f"script-src '{_digest(script)}'",
        f"style-src '{_digest(style)}'",
        "base-uri 'none'",
        "form-action 'none'",
        *(["connect-src 'self'"] if live else []),
    ]
    parts = {
        "policy": "; ".join(policy),
        "mark": MARK,
        "style": style,
        "data": _as_data(content),
        "script": script,
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _asset("page.html"))


def as_json(content: Any) -> str:
    """Return JSON without spaces, and without the numbers that JSON does not know."""
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _as_data(content: Any) -> str:
    return as_json(content).replace("<", "\\u003c").encode("utf-8", "backslashreplace").decode()


@cache
def _style() -> str:
    return f"\n{_asset('uPlot.min.css')}\n{_short(_asset('page.css'))}"


@cache
def _script(several: bool, live: bool) -> str:
    """Return the scripts that a page needs as one, uPlot first with its licence."""
    asked = {"list": several, "live": live}
    names = [name for name in _SCRIPTS if asked.get(name, True)]
    licence = "\n".join(["/*! uPlot", *_asset("uPlot.LICENSE").splitlines(), "*/"])
    own = "".join(_short(_asset(f"{name}.js")) for name in names)
    return f'\n{licence}\n{_asset(_UPLOT)}\n(() => {{\n"use strict";\n{own}}})();\n'


def _short(script: str) -> str:
    """Return a script or a style without indentation and whole lines of comment: a page is sent by e-mail."""
    lines = (line.strip() for line in script.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith(("//", "/** ")))


@cache
def _asset(name: str) -> str:
    return (files("pcsim.report.page") / "assets" / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
