"""Arguments and options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pcsim.scenario import Scenario, read_scenario


def scenario_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the argument SCENARIO and the options that change what it says."""
    decorators = [
        click.argument("scenario"),
        click.option("--backend", metavar="NAME", help="Backend to run on; see pcsim backends."),
        click.option("--precision", metavar="NAME", help="float32, float64, …: see pcsim backends."),
        click.option(
            "--set",
            "overrides",
            multiple=True,
            metavar="KEY=VALUE",
            help="Override a key, e.g. --set inference.step_size=0.05; may be repeated.",
        ),
        click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Replace the scenario's seed."),
    ]
    for decorate in reversed(decorators):
        function = decorate(function)
    return function


def read(
    scenario: str, backend: str | None, precision: str | None, overrides: tuple[str, ...], seed: int | None
) -> Scenario:
    """Read a scenario with the shared options applied, and print the reader's notes."""
    reading = read_scenario(scenario, overrides, backend=backend, precision=precision, seed=seed)
    for note in reading.notes:
        click.echo(f"note: {note}", err=True)
    return reading


def output_option(what: str) -> Callable[..., Any]:
    """Return the option -o for a file to write."""
    return click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help=what)
