"""`pcsim run`: validate, run, write the trace, say what happened."""

import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pcsim.api import run
from pcsim.cli.options import allow_option, output_option, read, scenario_options, stem_of
from pcsim.cli.terminal import PrintableConsole
from pcsim.errors import RunFailed
from pcsim.extensions import import_allowed
from pcsim.report.summary import print_summary
from pcsim.runs.repetition import averages, last_measures, run_seeds
from pcsim.scenario import Scenario
from pcsim.trace import Trace

PATIENCE = 1.0
"""Seconds before a progress bar appears."""
REFRESH = 0.1
STEPS = "{task.completed:,.0f}/{task.total:,.0f} steps"
RUNS = "{task.completed:,.0f}/{task.total:,.0f} runs"
UPDATES = "{task.completed:,.0f}/{task.total:,.0f} updates"
TIME = "time {task.completed:.3g} of {task.total:g}"


@click.command("run", short_help="Run a scenario and write its trace.")
@scenario_options
@output_option("Trace to write; without it, the scenario's name with .h5 in this folder.")
@click.option("--force", is_flag=True, help="Replace an existing trace.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="TRACE",
    help="Go on with the training run of this trace from its last checkpoint.",
)
@allow_option
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    scenario: str,
    output: Path | None,
    force: bool,
    resume: Path | None,
    allow: tuple[str, ...],
    quiet: bool,
    **changes: Any,
) -> None:
    """Run SCENARIO, a file or the name of one that ships, and write its trace."""
    import_allowed(allow)
    reading = read(scenario, quiet=quiet, **changes)
    if resume is not None and (output is not None or force):
        raise click.UsageError("--resume goes on in the trace it names; leave out -o and --force")
    target = output or Path(f"{stem_of(scenario)}.h5")
    console = PrintableConsole(quiet=quiet)
    if reading.learning is not None and reading.learning.seeds is not None:
        _run_seeds(reading, resume or target, force, resume is not None, console)
        return
    try:
        with progress_bar(console, *_progress_words(reading)) as progress:
            trace = run(reading, path=target, force=force, progress=progress, resume=resume)
    except RunFailed as error:
        if error.trace is not None:
            with suppress(OSError):  # the terminal may be gone: that is what SIGHUP says
                print_summary(error.trace, console)
        raise
    with trace:
        print_summary(trace, console)


def _run_seeds(scenario: Scenario, target: Path, force: bool, resume: bool, console: Console) -> None:
    """Run every seed, say how each went, and the average."""
    measures: list[dict[str, float]] = []
    left_out: list[str] = []

    def finished(trace: Trace) -> None:
        measures.append(last_measures(trace))
        print_summary(trace, console)

    def failed(seed: int, error: RunFailed) -> None:
        left_out.append(f"seed {seed}")
        if error.trace is not None:
            print_summary(error.trace, console)
        click.echo(f"error: seed {seed}: {error}", err=True)

    with progress_bar(console, *_progress_words(scenario)) as progress:
        run_seeds(scenario, path=target, force=force, resume=resume, progress=progress, each=finished, failed=failed)
    for line in averages(measures):
        console.print(line, highlight=False, markup=False)
    if left_out:
        console.print(f"left out, since it failed: {', '.join(left_out)}", highlight=False, markup=False)


def _progress_words(scenario: Scenario) -> tuple[str, str]:
    if scenario.asks_for is not None:
        return "study", RUNS
    if scenario.learning is not None:
        return "training", UPDATES
    return "inference", STEPS if scenario.inference.solver is None else TIME


@contextmanager
def progress_bar(console: Console, what: str, where: str) -> Generator[Any]:
    """Yield a callable `(update, step or time; last one)` that shows a progress bar after a second.

    `where` says how far the run is, as a format of rich's `task`.
    """
    start = time.monotonic()
    bar = Progress(
        TextColumn(what),
        BarColumn(),
        TextColumn(where),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        auto_refresh=False,
        disable=console.quiet or not console.is_terminal,
    )
    task = bar.add_task("")
    shown = 0.0

    def progress(clock: float, end: float) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - start < PATIENCE or now - shown < REFRESH:
            return
        shown = now
        with suppress(OSError):  # a terminal that is gone is no reason to stop
            bar.update(task, completed=clock, total=end)
            bar.start()
            bar.refresh()

    try:
        yield progress
    finally:
        with suppress(OSError):
            bar.stop()
