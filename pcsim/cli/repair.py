"""`pcsim repair`: rescue the trace of a killed run."""

from pathlib import Path

import click

from pcsim.cli.terminal import echo
from pcsim.trace import repair


@click.command("repair", short_help="Make the trace of a killed run readable by any HDF5 tool.")
@click.argument("trace", type=click.Path(path_type=Path))
def command(trace: Path) -> None:
    """Make TRACE readable by any HDF5 tool, losing no flushed row."""
    echo(f"{repair(trace)}")
