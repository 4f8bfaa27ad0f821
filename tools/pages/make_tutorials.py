"""Run the notebooks of docs/tutorials and keep their outputs: python -m tools.pages.make_tutorials [NAME…]."""

import base64
import io
import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from tools.pages.derived import ROOT

TUTORIALS = ROOT / "docs" / "tutorials"
LIMIT = 300
"""Seconds for a cell."""
COLOURS = 96
"""Of a picture that is kept."""
_BUSY = re.compile(r"\nThe machine was busy: [^\n<]*")
"""What a summary says where others used the machine, too: it is of no run but this one."""
_INLINE = re.compile(r"(?<=data:image/png;base64,)[A-Za-z0-9+/=]+")


def run(notebook: Path, folder: Path) -> Any:
    """Return a notebook with the outputs of a run in a folder; what a cell raises is raised."""
    import nbformat
    from nbclient import NotebookClient

    book: Any = nbformat.read(notebook, as_version=4)
    NotebookClient(book, timeout=LIMIT, resources={"metadata": {"path": str(folder)}}).execute()
    return book


def kept(book: Any) -> str:
    """Return the text of a notebook's file, without what only this run knows."""
    import nbformat

    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number}"
        cell.metadata = {}
        if cell.cell_type != "code":
            continue
        cell.outputs = _joined([output for output in cell.outputs if not _is_progress(output)])
        for output in cell.outputs:
            if output.output_type != "stream":
                output.metadata = {}
                # What a page shows in one way it need not hold in two.
                if "text/html" in output.data or "image/png" in output.data:
                    output.data.pop("text/plain", None)
                if "image/png" in output.data:
                    output.data["image/png"] = smaller(output.data["image/png"])
                if "text/html" in output.data:
                    shown = _BUSY.sub("", output.data["text/html"])
                    output.data["text/html"] = _INLINE.sub(lambda found: smaller(found[0]), shown)
    book.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return json.dumps(json.loads(nbformat.writes(book)), indent=1, ensure_ascii=False) + "\n"


def _joined(outputs: list[Any]) -> list[Any]:
    """Return outputs with what was printed in one piece, however often it was flushed."""
    joined: list[Any] = []
    for output in outputs:
        if joined and output.output_type == joined[-1].output_type == "stream" and output.name == joined[-1].name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _is_progress(output: Any) -> bool:
    """Tell whether this is where a bar was, which is empty now."""
    return output.output_type == "display_data" and not output.data.get("text/plain")


def smaller(encoded: str) -> str:
    """Return a PNG in base64 with few colours, a third of the size."""
    from PIL import Image

    made = io.BytesIO()
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        picture.convert("RGB").quantize(COLOURS).save(made, "png", optimize=True)
    return base64.b64encode(made.getvalue()).decode()


def main(names: list[str]) -> None:
    """Run those that are named, or all."""
    for notebook in sorted(TUTORIALS.glob("*.ipynb")):
        if names and notebook.stem not in names:
            continue
        with tempfile.TemporaryDirectory() as folder:
            notebook.write_text(kept(run(notebook, Path(folder))), encoding="utf-8")
        print(notebook.relative_to(ROOT), f"{notebook.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
