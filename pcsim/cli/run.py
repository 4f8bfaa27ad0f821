"""`pcsim run`: validate, run, write the trace, say what happened."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from pcsim.api import run, take_part
from pcsim.cli.options import (
    allow_option,
    jobs_option,
    json_option,
    note,
    output_option,
    print_json,
    processes_options,
    read,
    scenario_options,
    stem_of,
)
from pcsim.cli.terminal import PrintableConsole
from pcsim.engine.processes import Processes
from pcsim.errors import RunFailed, UsageError
from pcsim.extensions import import_allowed
from pcsim.report.progress import shown_progress
from pcsim.report.run_dict import as_dict
from pcsim.report.summary import print_summary
from pcsim.runs.repetition import averages, last_measures, run_seeds
from pcsim.scenario import Run, Scenario
from pcsim.studies import Best, Part, Row, run_study
from pcsim.trace import Trace
from pcsim.words import count


def _part(context: click.Context, option: click.Parameter, text: str | None) -> Part | None:
    try:
        return None if text is None else Part.read(text)
    except UsageError as error:
        raise click.BadParameter(str(error)) from None


@click.command("run", short_help="Run a scenario and write its trace.")
@scenario_options
@output_option("Trace to write; without it, the scenario's name with .h5 in this folder.")
@click.option("--force", is_flag=True, help="Replace an existing trace.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="TRACE",
    help="Go on with the training of this trace, broken off or to more epochs, or with the runs of a study.",
)
@jobs_option("Runs of a study, or seeds, at a time; without it as many as there are cores, where that is worth it.")
@click.option(
    "--part", callback=_part, metavar="I/N", help="Run the I-th of N shares of a sweep; pcsim merge joins them."
)
@click.option(
    "--cluster", metavar="ADDRESS", help="Run a sweep on a Dask cluster: tcp://host:8786, or a scheduler file."
)
@processes_options
@allow_option
@json_option
@click.option("--quiet", is_flag=True, help="Print nothing but errors.")
def command(
    scenario: str,
    output: Path | None,
    force: bool,
    resume: Path | None,
    jobs: int | None,
    part: Part | None,
    cluster: str | None,
    allow: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    coordinator: str | None,
    processes: int | None,
    process: int | None,
    **changes: Any,
) -> None:
    """Run SCENARIO, a file, the name of one that ships, or a trace whose scenario runs again, and write its trace."""
    import_allowed(allow)
    reading = read(scenario, quiet=quiet or as_json, allow=allow, **changes)
    if resume is not None and (output is not None or force):
        raise click.UsageError("--resume goes on in the trace it names; leave out -o and --force")
    target = output or Path(f"{stem_of(scenario)}.h5")
    console = PrintableConsole(quiet=quiet or as_json)
    said = _Said(console, as_json)
    group = _group(coordinator, processes, process)
    if group is not None and group.number != 0:
        _take_part(reading, group, console)
        return
    if (part or cluster) and reading.sweep is None and reading.search is None:
        raise click.UsageError("--part and --cluster are for the runs of a [sweep]: seeds are seed = [0, 1, 2] in it")
    if cluster is not None and jobs is not None:
        raise click.UsageError("--jobs is for this machine, --cluster for its own workers; give one of them")
    if group is None and reading.learning is not None and reading.learning.seeds is not None:
        _run_seeds(reading, resume or target, force, resume is not None, jobs, said)
        return
    if group is None and reading.asks_for is not None:
        path = target if part is None else part.path(target)
        _run_study(reading, said, path=path, force=force, resume=resume, jobs=jobs, part=part, cluster=cluster)
        return
    if jobs is not None:
        raise click.UsageError("--jobs is for several runs: a [sweep], a [study] of them, or learning.seeds")
    try:
        trace = run(reading, path=target, force=force, progress=not console.quiet, resume=resume, processes=group)
    except RunFailed as error:
        if error.trace is not None:
            with suppress(OSError):  # the terminal may be gone: that is what SIGHUP says
                said.of(error.trace)
                said.all()
        raise
    with trace:
        said.of(trace)
        said.all()


class _Said:
    """What is printed of runs: a summary of each at once, or JSON of all in the end."""

    def __init__(self, console: Console, as_json: bool) -> None:
        self.console = console
        self._found: list[dict[str, Any]] | None = [] if as_json else None

    def of(self, trace: Trace) -> None:
        """Say what a run came to."""
        if self._found is None:
            print_summary(trace, self.console)
        else:
            self._found.append(as_dict(trace))

    def all(self, more: dict[str, Any] | None = None) -> None:
        """Print JSON where that is asked for: of one run alone, of several in a list, and what `more` there is."""
        if self._found is not None:
            print_json(self._found[0] if more is None else {"runs": self._found} | more)


def _group(coordinator: str | None, processes: int | None, process: int | None) -> Processes | None:
    if coordinator is None and processes is None and process is None:
        return None
    if coordinator is None or processes is None or process is None:
        raise click.UsageError("--coordinator, --processes and --process go together; give all three")
    return Processes(coordinator, processes, process)


def _take_part(scenario: Scenario, group: Processes, console: Console) -> None:
    """Do the share of a process that does not lead, and say so."""
    try:
        updates = take_part(scenario, processes=group)
    except RunFailed as error:
        if error.exit_code == RunFailed.exit_code:
            click.echo(f"error: {error}", err=True)
            # JAX would kill a process that misses the first one, in the middle of leaving.
            os._exit(error.exit_code)
        raise
    words = f"process {group.number} of {group.count}: took part in {count(updates, 'update')}"
    console.print(words, highlight=False, markup=False)


def _run_study(scenario: Scenario, said: _Said, **how: Any) -> None:
    """Run every run of a study, or a part of them, and say what came of them."""
    best, failed = Best(), list[str]()

    def told(run: Run, row: Row, over: int, of: int) -> None:
        if row.failure:
            failed.append(f"{run.label() or 'the run'}: {row.failure}")
        best.add(run.label(), row)
        shown.best(best.words)
        shown.progress(over, of)

    with shown_progress(scenario, said.console) as shown:
        trace = run_study(scenario, told=told, **how)
    if failed:
        note(f"{count(len(failed), 'run')} failed, the first: {failed[0]}")
    with trace:
        said.of(trace)
        said.all()


def _run_seeds(scenario: Scenario, target: Path, force: bool, resume: bool, jobs: int | None, said: _Said) -> None:
    """Run every seed, say how each went, and the average."""
    measures: list[dict[str, float]] = []
    left_out: list[str] = []

    def finished(trace: Trace) -> None:
        measures.append(last_measures(trace))
        said.of(trace)

    def failed(seed: int, error: RunFailed) -> None:
        left_out.append(f"seed {seed}")
        if error.trace is not None:
            said.of(error.trace)
        click.echo(f"error: seed {seed}: {error}", err=True)

    with shown_progress(scenario, said.console) as shown:
        run_seeds(
            scenario,
            path=target,
            force=force,
            resume=resume,
            progress=shown.progress,
            on_epoch=shown.epoch,
            on_rows=shown.rows,
            each=finished,
            failed=failed,
            jobs=jobs,
            counted=shown.runs,
        )
    found = averages(measures)
    for name, average in found.items():
        said.console.print(average.in_words(name), highlight=False, markup=False)
    if left_out:
        said.console.print(f"left out, since it failed: {', '.join(left_out)}", highlight=False, markup=False)
    said.all({"averages": {name: average._asdict() for name, average in found.items()}, "left_out": left_out})
