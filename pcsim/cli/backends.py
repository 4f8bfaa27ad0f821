"""`pcsim backends`: which backends can be used here, what each can do, and why the others cannot be used."""

import shutil
import textwrap
from collections.abc import Iterator

import click

from pcsim.cli.terminal import echo
from pcsim.engine.backend import Capabilities
from pcsim.engine.registry import installed_backends, load_backend
from pcsim.errors import UsageError

INDENT = 14
WIDEST = 100
NARROWEST = 40


@click.command("backends", short_help="List the backends and what each can do here.")
def command() -> None:
    """List the installed backends: what each can do here and what it refuses, or why it cannot be used and the fix."""
    width = min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
    for number, name in enumerate(installed_backends()):
        if number:
            echo()
        try:
            able = load_backend(name).capabilities()
        except UsageError as error:
            usable, rows = False, iter([("why not", str(error))])
        else:
            usable = able.problem is None
            rows = _abilities(able) if usable else iter([("why not", str(able.problem)), ("fix", str(able.fix))])
        echo(f"{name}: {'usable' if usable else 'not usable'}")
        for label, text in rows:
            echo(_row(label, text, width))


def _abilities(able: Capabilities) -> Iterator[tuple[str, str]]:
    """Yield what a usable backend can do, in the words of a scenario, and what it says to the rest."""
    yield "device", able.device
    if able.devices > 1:
        yield "devices", f"{able.devices}, which can share the batches of training: backend.devices"
    yield "precisions", ", ".join(able.precisions)
    yield "methods", ", ".join(able.methods)
    yield "layers", ", ".join(able.layers)
    yield "solvers", ", ".join(able.solvers) or "none: discrete steps only"
    yield "learning", ", ".join(able.rules) or "none: it does not train"
    for limit in able.limits:
        yield "refused", limit


def _row(label: str, text: str, width: int) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=f"  {label}".ljust(INDENT),
        subsequent_indent=" " * INDENT,
        break_on_hyphens=False,
        break_long_words=False,
    )
