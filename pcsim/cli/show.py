"""`pcsim show`: print the resolved scenario."""

import click

from pcsim.cli.options import read, scenario_options
from pcsim.scenario import scenario_text


@click.command("show", short_help="Print a scenario with every default and override resolved.")
@scenario_options
def command(
    scenario: str, backend: str | None, precision: str | None, overrides: tuple[str, ...], seed: int | None
) -> None:
    """Print SCENARIO as TOML with every default and override resolved."""
    click.echo(scenario_text(read(scenario, backend, precision, overrides, seed)), nl=False)
