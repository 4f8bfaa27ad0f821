"""The site of the documentation: pages that stand outside `docs/`, and links that hold in files and on the site.

A hook of MkDocs, named in mkdocs.yml.
"""

import posixpath
import re
from typing import Any

from mkdocs.structure.files import File, Files

from tools.pages.derived import ROOT

ELSEWHERE = {
    "README.md": "index.md",
    "data/README.md": "data.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files that are pages, and the names of these."""
_LINK = re.compile(r"\[([^\]]*)\]\((?![a-z]+:)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that stand elsewhere."""
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Return a page whose links lead to pages; a file that is none is named."""
    sources = {name: source for source, name in ELSEWHERE.items()}
    here = posixpath.dirname(sources.get(page.file.src_uri, f"docs/{page.file.src_uri}"))

    def linked(found: re.Match[str]) -> str:
        text, path, anchor = found[1], found[2], found[3] or ""
        target = posixpath.normpath(posixpath.join(here, path))
        if target in ELSEWHERE:
            return f"[{text}]({ELSEWHERE[target]}{anchor})"
        if target.startswith("docs/"):
            return f"[{text}]({target.removeprefix('docs/')}{anchor})"
        return f"{text} (`{target}`)" if (ROOT / target).exists() else found[0]

    return _LINK.sub(linked, markdown)
