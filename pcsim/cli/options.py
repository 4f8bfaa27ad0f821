"""Arguments and options that several commands share."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from pcsim.cli.terminal import echo
from pcsim.extensions import import_allowed
from pcsim.scenario import Scenario, is_piped, list_scenarios, read_scenario
from pcsim.scenario.words import file_words
from pcsim.trace.opening import is_hdf5


def _whole_number(context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    if text is None or (text.isascii() and text.isdigit()):
        return None if text is None else int(text)
    raise click.BadParameter(f"'{text}' is not allowed; give a whole number, 0 or more")


def overrides_option(what: str) -> Callable[..., Any]:
    """Return the option --set, which may be given many times."""
    return click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help=what, shell_complete=_keys_beginning_with
    )


def _keys_beginning_with(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    """Return the keys of scenarios that a shell may go on with."""
    every = file_words()
    tables = [f"{top}.{key}" for top, inner in every.items() for key, deeper in (inner or {}).items() if deeper is None]
    keys = [*tables, *(top for top, inner in every.items() if inner is None and top != "extends")]
    return [f"{key}=" for key in sorted(keys) if key.startswith(begun)]


def _scenarios_beginning_with(context: click.Context, argument: click.Parameter, begun: str) -> list[CompletionItem]:
    """Return the scenarios that ship, and have the shell look for files."""
    names = [name for name, _ in list_scenarios() if name.startswith(begun)]
    return [*map(CompletionItem, names), CompletionItem(begun, type="file")]


scenario_argument = click.argument("scenario", shell_complete=_scenarios_beginning_with)


seed_option = click.option("--seed", callback=_whole_number, metavar="N", help="Replace the scenario's seed.")


def scenario_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument SCENARIO and the options that change what it says."""
    decorators = [
        scenario_argument,
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


def read(
    scenario: str, *, quiet: bool = False, allow: Sequence[str] = (), runs: bool = True, **changes: Any
) -> Scenario:
    """Read a scenario, or that of a trace, with the `changes` that `scenario_options` give.

    Prints the reader's notes unless `quiet`. Modules that a trace names are imported where they are in `allow`; where
    it `runs`, all its words have to be known here.
    """
    import_allowed(allow)
    from_trace = not is_piped(scenario) and is_hdf5(Path(scenario))
    reading = _of_trace(Path(scenario), allow, runs, **changes) if from_trace else read_scenario(scenario, **changes)
    for line in () if quiet else reading.notes:
        note(line)
    return reading


def _of_trace(path: Path, allow: Sequence[str], runs: bool, overrides: Sequence[str] = (), **changes: Any) -> Scenario:
    from pcsim.recorded.embedded import of_trace
    from pcsim.trace import open_trace

    seed = changes.pop("seed", None)
    with open_trace(path) as trace:
        given = (*overrides, *(() if seed is None else (f"seed={seed}",)))
        return of_trace(trace, allow=allow).parse(given, runs=runs, **changes)


def stem_of(scenario: str) -> str:
    """Return what files made from a scenario are called where the user names none."""
    return "scenario" if is_piped(scenario) else Path(scenario).stem


def output_option(what: str) -> Callable[..., Any]:
    """Return the option -o for a file to write."""
    return click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help=what)


def jobs_option(what: str) -> Callable[..., Any]:
    """Return the option --jobs for runs that go side by side."""
    return click.option("--jobs", type=click.IntRange(min=1), metavar="N", help=what)
