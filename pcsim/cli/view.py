"""`pcsim view`: traces as a page for the browser."""

from contextlib import ExitStack
from pathlib import Path

import click

from pcsim.cli.options import output_option
from pcsim.cli.terminal import echo
from pcsim.report.page.report import check_page_path, view
from pcsim.trace import open_trace


@click.command("view", short_help="Show traces as a page that any browser opens.")
@click.argument("traces", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="TRACE...")
@output_option("Page to write, .html; without it, the first trace's name with .html.")
@click.option("--force", is_flag=True, help="Replace a file that pcsim did not make.")
def command(traces: tuple[Path, ...], output: Path | None, force: bool) -> None:
    """Write one HTML file of TRACEs: figures to hover over, findings, the scenario; it needs nothing beside it."""
    target = output or Path(f"{traces[0].stem}.html")
    check_page_path(target, force=force)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_trace(path)) for path in traces]
        echo(f"page: {view(opened, target, force=force)}")
