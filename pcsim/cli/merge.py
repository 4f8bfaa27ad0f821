"""`pcsim merge`: the parts of a study become one."""

from pathlib import Path

import click

from pcsim.cli.options import output_option
from pcsim.cli.terminal import PrintableConsole
from pcsim.report.summary import print_summary
from pcsim.studies import merge


@click.command("merge", short_help="Put the parts of a study together.")
@click.argument("parts", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PART...")
@output_option("Study to write; without it, the name of the parts without -part….")
@click.option("--force", is_flag=True, help="Replace an existing trace.")
def command(parts: tuple[Path, ...], output: Path | None, force: bool) -> None:
    """Write one study of the PARTs that `pcsim run --part i/n` has written, and say what came of it."""
    first = parts[0]
    target = output or first.with_name(f"{first.stem.rpartition('-part')[0] or first.stem + '-merged'}{first.suffix}")
    with merge(parts, target, force=force) as trace:
        print_summary(trace, PrintableConsole())
