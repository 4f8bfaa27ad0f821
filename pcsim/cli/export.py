"""`pcsim export`: from a trace to a weights file, or to text."""

from pathlib import Path
from typing import Literal

import click

from pcsim.cli.options import allow_option, note
from pcsim.cli.terminal import echo
from pcsim.recorded.export import export_rows, export_weights
from pcsim.trace import open_trace


@click.command("export", short_help="Write the parameters in a trace to a weights file, or its rows as CSV.")
@click.argument("trace", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Weights file to write, .npz or .safetensors; with --csv NAME.csv for NAME-step.csv and so on.",
)
@click.option("--csv", is_flag=True, help="Write rows of inference and training as text, a file a clock.")
@click.option(
    "--layout", type=click.Choice(["pcsim", "torch"]), default="pcsim", help="Order of weights: torch is PyTorch's."
)
@click.option("--force", is_flag=True, help="Replace an existing file.")
@allow_option
def command(
    trace: Path,
    output: Path | None,
    csv: bool,
    layout: Literal["pcsim", "torch"],
    force: bool,
    allow: tuple[str, ...],
) -> None:
    """Write the parameters in TRACE, after training where there was any, to a file that network.weights reads.

    With --csv its rows are written, beside it unless -o names another place.
    """
    if output is None and not csv:
        raise click.UsageError("weights need a file: -o WEIGHTS.npz or .safetensors; or write the rows with --csv")
    if csv and output is not None and output.suffix.lower() != ".csv":
        raise click.UsageError(f"{output}: rows are written as text; name it {output.with_suffix('.csv').name}")
    with open_trace(trace) as opened:
        if csv:
            for path in export_rows(opened, output or trace, force=force):
                echo(f"rows: {path}")
        elif output is not None:
            found = export_weights(opened, output, layout=layout, force=force, allow=allow)
            if found is not None:
                note(found)
            echo(f"weights: {output}")
