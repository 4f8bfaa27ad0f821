"""What pages of figures have in common: tables, and where and when something was measured."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from pcsim.runs.provenance import describe_machine

DOCS = Path(__file__).parents[2] / "docs"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def measured(tool: str) -> str:
    """Return a sentence on tool, day, machine and versions."""
    machine = describe_machine(("jax", "jaxlib", "diffrax", "numba", "cupy"))
    return (
        f"Measured {datetime.date.today().isoformat()} by `tools/{tool}` on {machine['processor']}, "
        f"threads {machine['threads']}, {machine['versions']}.\n"
    )
