"""Notebooks as pages of the site: cells as they stand, and the outputs that were kept with them."""

import base64
import json
from pathlib import Path
from typing import Any


def page_of(notebook: Path) -> tuple[str, dict[str, bytes]]:
    """Return a notebook as Markdown, and its pictures by the names that the page gives them."""
    book = json.loads(notebook.read_text(encoding="utf-8"))
    parts: list[str] = []
    pictures: dict[str, bytes] = {}
    for cell in book["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append("".join(cell["source"]))
            continue
        parts.append(_fenced("".join(cell["source"]), "python"))
        for output in cell["outputs"]:
            parts.append(_shown(output, notebook.stem, pictures))
    first, _, rest = "\n\n".join(parts).partition("\n")
    said = f"*This page is a notebook: [{notebook.name}]({notebook.name}).*"
    return f"{first}\n\n{said}\n{rest}\n", pictures


def _shown(output: dict[str, Any], name: str, pictures: dict[str, bytes]) -> str:
    if output["output_type"] == "stream":
        return _fenced("".join(output["text"]).rstrip("\n"), "text")
    data = {kind: "".join(text) for kind, text in output["data"].items()}
    if "text/html" in data:
        return f'<div class="output">{data["text/html"]}</div>'
    if "image/png" in data:
        picture = f"{name}-{len(pictures) + 1}.png"
        pictures[picture] = base64.b64decode(data["image/png"])
        return f"![figure]({picture})"
    return _fenced(data["text/plain"], "text")


def _fenced(text: str, language: str) -> str:
    return f"```{language}\n{text}\n```"
