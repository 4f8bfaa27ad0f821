"""Arguments and options that several commands share."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pcsim.cli.terminal import echo
from pcsim.scenario import Scenario, is_piped, read_scenario


def _whole_number(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    if text is None or (text.isascii() and text.isdigit()):
        return None if text is None else int(text)
    raise click.BadParameter(f"'{text}' is not allowed; give a whole number, 0 or more")


def overrides_option(what: str) -> Callable[..., Any]:
    """Return the option --set, which may be given many times."""
    return click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=what)


seed_option = click.option("--seed", callback=_whole_number, metavar="N", help="Replace the scenario's seed.")


def scenario_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument SCENARIO and the options that change what it says."""
    decorators = [
        click.argument("scenario"),
        click.option("--backend", metavar="NAME", help="Backend to run on; see pcsim backends."),
        click.option("--precision", metavar="NAME", help="float32, float64, …: see pcsim backends."),
        overrides_option("Override a key, e.g. --set inference.step_size=0.05; may be repeated."),
        seed_option,
    ]
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def processes_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a run that several processes share."""
    decorators = [
        click.option("--coordinator", metavar="HOST:PORT", help="Where process 0 of several listens."),
        click.option("--processes", callback=_whole_number, metavar="N", help="How many processes share the training."),
        click.option("--process", callback=_whole_number, metavar="I", help="Which one this is: 0 writes the trace."),
    ]
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


allow_option = click.option(
    "--allow",
    multiple=True,
    metavar="MODULE",
    help="Import this module of yours, which has what files name; may be repeated.",
)


json_option = click.option("--json", "as_json", is_flag=True, help="Print everything as JSON, and nothing else.")


def print_json(content: Any) -> None:
    """Print numbers, texts and lists as JSON."""
    echo(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def note(line: str) -> None:
    """Print a line that is no error and no result."""
    echo(f"note: {line}", err=True)


def read(scenario: str, *, quiet: bool = False, **changes: Any) -> Scenario:
    """Read a scenario with the `changes` that `scenario_options` give, and print the reader's notes unless `quiet`."""
    reading = read_scenario(scenario, **changes)
    for line in () if quiet else reading.notes:
        note(line)
    return reading


def stem_of(scenario: str) -> str:
    """Return what files made from a scenario are called where the user names none."""
    return "scenario" if is_piped(scenario) else Path(scenario).stem


def output_option(what: str) -> Callable[..., Any]:
    """Return the option -o for a file to write."""
    return click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help=what)


def jobs_option(what: str) -> Callable[..., Any]:
    """Return the option --jobs for runs that go side by side."""
    return click.option("--jobs", type=click.IntRange(min=1), metavar="N", help=what)
