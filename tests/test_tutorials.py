"""Notebooks of the docs: they run, what they kept is what a run shows, and the site shows it."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tools.pages.make_tutorials import TUTORIALS, run
from tools.pages.notebook_pages import page_of

NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
MISSING = [name for name in ("nbclient", "nbformat", "ipykernel", "equinox") if not importlib.util.find_spec(name)]
SAID = {
    "from-jpc": ("by JPC's definition", "of the largest entry", "t =  20.000: energy"),
    "from-pytorch": ("by hand", "predictive coding", "'W0': (32, 64)", "test "),
    "my-own-layer": ("transpose and gradients are right", "True", "rank 16:  4096 weights a layer"),
    "signal-decay": ("No signal reached layer", "measured: [-1", "float32 increment", "[1 1 1 1 1"),
    "train-and-diagnose": ("no signal", "cosine to BP", "update / weight", "backprop"),
}
"""Of each, what it must say of itself."""


def cells(book: Any) -> list[Any]:
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


def kinds(cell: Any) -> list[str]:
    """Return what a cell shows, whether it was kept or has just run."""
    shown = [output for output in cell["outputs"] if output["output_type"] != "display_data"]
    found = [
        "text" if output["output_type"] == "stream" else max(set(output["data"]) - {"text/plain"}, default="text/plain")
        for output in shown
    ]
    return [kind for kind, before in zip(found, ["", *found], strict=False) if kind != before]


def words(book: Any) -> str:
    outputs = [output for cell in cells(book) for output in cell["outputs"]]
    return "\n".join("".join(text) for o in outputs for text in (o.get("text", ""), *o.get("data", {}).values()))


def test_each_has_a_name_here() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(SAID)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_outputs_are_kept_and_links_lead_somewhere(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert all(said in words(book) for said in SAID[path.stem])
    assert not [o for cell in cells(book) for o in cell["outputs"] if o["output_type"] == "error"]
    text = "".join("".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "markdown")
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (path.parent / target).exists(), target
    assert path.stat().st_size < 200_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_shows_every_cell_and_picture(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    page, pictures = page_of(path)
    assert page.startswith("# Tutorial: ")
    assert page.count("```python\n") >= len(cells(book))
    assert all(picture.startswith(b"\x89PNG") and f"]({name})" in page for name, picture in pictures.items())
    assert len(pictures) == sum("image/png" in o.get("data", {}) for cell in cells(book) for o in cell["outputs"])


@pytest.mark.exhaustive
@pytest.mark.skipif(bool(MISSING), reason=f"the notebooks need {', '.join(MISSING)}")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_runs_and_shows_what_it_kept(path: Path, tmp_path: Path) -> None:
    kept, fresh = json.loads(path.read_text(encoding="utf-8")), run(path, tmp_path)
    assert all(said in words(fresh) for said in SAID[path.stem])
    assert [kinds(cell) for cell in cells(fresh)] == [kinds(cell) for cell in cells(kept)]
