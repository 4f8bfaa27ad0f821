"""The site of the documentation: pages from outside `docs/`, notebooks, and links that hold in files and on the site.

A hook of MkDocs, named in mkdocs.yml.
"""

import posixpath
import re
from typing import Any

from mkdocs.structure.files import File, Files

from tools.pages.derived import ROOT
from tools.pages.notebook_pages import page_of

ELSEWHERE = {
    "README.md": "index.md",
    "data/README.md": "data.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files that are pages, and the names of these."""
_LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand elsewhere, and one for every notebook."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    for notebook in sorted((ROOT / "docs").glob("*/*.ipynb")):
        folder = notebook.parent.name
        text, pictures = page_of(notebook)
        files.append(File.generated(config, f"{folder}/{notebook.stem}.md", content=text))
        for name, picture in pictures.items():
            files.append(File.generated(config, f"{folder}/{name}", content=picture))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Return a page whose links lead to pages; a file that is none is named."""
    sources = {name: source for source, name in ELSEWHERE.items()}
    here = posixpath.dirname(sources.get(page.file.src_uri, f"docs/{page.file.src_uri}"))
    folder = posixpath.dirname(page.file.src_uri) or "."

    def linked(found: re.Match[str]) -> str:
        text, path, anchor = found[1], found[2], found[3] or ""
        target = posixpath.normpath(posixpath.join(here, path))
        on_site = ELSEWHERE.get(target) or (target.removeprefix("docs/") if target.startswith("docs/") else None)
        if on_site is not None:
            # A notebook is read as a page; by its own name, as its page says it, it is a file to take along.
            if on_site.endswith(".ipynb") and text != posixpath.basename(on_site):
                on_site = on_site.removesuffix(".ipynb") + ".md"
            return f"[{text}]({posixpath.relpath(on_site, folder)}{anchor})"
        return f"{text} (`{target}`)" if (ROOT / target).exists() else found[0]

    return _LINK.sub(linked, markdown)
