"""`pcsim plot`: figures of traces."""

from contextlib import ExitStack
from pathlib import Path

import click

from pcsim.cli.options import output_option
from pcsim.cli.terminal import echo
from pcsim.figures.files import check_replaceable_figure
from pcsim.report.plotting import check_figure_path, plot
from pcsim.trace import open_trace


@click.command("plot", short_help="Draw the layerwise energies of traces.")
@click.argument("traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE...")
@output_option("Figure to write, .png, .pdf or .svg; without it, the first trace's name with .png.")
@click.option("--theory", is_flag=True, help="Draw what is known without simulating over the lines.")
@click.option("--force", is_flag=True, help="Replace a file that pcsim did not draw.")
def command(traces: tuple[Path, ...], output: Path | None, theory: bool, force: bool) -> None:
    """Draw energy by layer over log steps, lines and heat map, one row a TRACE."""
    target = output or Path(f"{traces[0].stem}.png")
    check_figure_path(target)
    check_replaceable_figure(target, force=force)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_trace(path)) for path in traces]
        echo(f"figure: {plot(opened, target, theory=theory, force=force)}")
