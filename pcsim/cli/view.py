"""`pcsim view`: traces as a page for the browser, in a file or while runs write them."""

from contextlib import ExitStack
from pathlib import Path

import click

from pcsim.cli.options import output_option
from pcsim.cli.terminal import echo
from pcsim.interruption import signal_of
from pcsim.report.page.report import check_page_path, view
from pcsim.trace import open_trace


@click.command("view", short_help="Show traces as a page that any browser opens.")
@click.argument("traces", nargs=-1, type=click.Path(path_type=Path), metavar="TRACE... | --live [FOLDER]")
@output_option("Page to write, .html; without it, the first trace's name with .html.")
@click.option("--force", is_flag=True, help="Replace a file that pcsim did not make.")
@click.option("--live", is_flag=True, help="Serve the page of a FOLDER of traces while runs write them.")
def command(traces: tuple[Path, ...], output: Path | None, force: bool, live: bool) -> None:
    """Write one HTML file of TRACEs: figures to hover over, findings, the scenario; it needs nothing beside it.

    With --live the page is served on this machine until Ctrl-C, and follows the traces of FOLDER, or of this folder.
    """
    if live:
        if output or force or len(traces) > 1:
            raise click.UsageError("--live takes one folder at most, and writes no file: leave -o and --force away")
        _serve(traces[0] if traces else Path())
        return
    if not traces:
        raise click.UsageError("name a trace, or --live for those that runs write in this folder")
    target = output or Path(f"{traces[0].stem}.html")
    check_page_path(target, force=force)
    with ExitStack() as stack:
        opened = [stack.enter_context(open_trace(path)) for path in traces]
        echo(f"page: {view(opened, target, force=force)}")


def _serve(folder: Path) -> None:
    from pcsim.report.live.server import LiveServer

    with LiveServer(folder) as server:
        echo(f"page: {server.address}\nOpen it in a browser of this machine; Ctrl-C ends it.")
        try:
            server.serve_forever()
        except KeyboardInterrupt as stop:
            # The one way to end it by hand is no failure.
            if signal_of(stop) != signal_of(None):
                raise
