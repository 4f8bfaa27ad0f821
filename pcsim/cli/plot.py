"""`pcsim plot`: figures of traces."""

from pathlib import Path

import click

from pcsim.cli.options import output_option
from pcsim.cli.terminal import echo
from pcsim.figures.files import check_replaceable_figure
from pcsim.report.plotting import check_figure_path, plot


@click.command("plot", short_help="Draw the layerwise energies of traces.")
@click.argument("traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE...")
@output_option("Figure to write, .png, .pdf or .svg; without it, the first trace's name with .png.")
@click.option("--width", metavar="W", help="Width of the figure, as in 3.4in or 86mm; panels too narrow are stacked.")
@click.option("--panels", default="", metavar="P,…", help="Panels wanted, such as energy,heat; all without it.")
@click.option("--style", default="screen", metavar="STYLE", help="screen, or paper: letters and lines for a column.")
@click.option("--no-title", is_flag=True, help="Draw without title and captions.")
@click.option("--theory", is_flag=True, help="Draw what is known without simulating over the lines.")
@click.option("--force", is_flag=True, help="Replace a file that pcsim did not draw.")
def command(
    traces: tuple[Path, ...],
    output: Path | None,
    width: str | None,
    panels: str,
    style: str,
    no_title: bool,
    theory: bool,
    force: bool,
) -> None:
    """Draw energy by layer over log steps, lines and heat map, one row a TRACE."""
    target = output or Path(f"{traces[0].stem}.png")
    check_figure_path(target)
    check_replaceable_figure(target, force=force)
    plot(traces, target, theory=theory, width=width, title=not no_title, panels=panels, style=style, force=force)
    echo(f"figure: {target}")
