"""`pcsim export`: from a trace to a weights file."""

from pathlib import Path

import click

from pcsim.cli.terminal import echo
from pcsim.recorded.export import export_weights
from pcsim.trace import open_trace


@click.command("export", short_help="Write the parameters in a trace to a weights file.")
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="WEIGHTS",
    required=True,
    help="Weights file to write, .npz or .safetensors.",
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(trace: Path, output: Path, force: bool) -> None:
    """Write the parameters in TRACE, after training where there was any, to a file that network.weights reads."""
    with open_trace(trace) as opened:
        note = export_weights(opened, output, force=force)
    if note is not None:
        echo(f"note: {note}", err=True)
    echo(f"weights: {output}")
