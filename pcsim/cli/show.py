"""`pcsim show`: print the resolved scenario."""

from typing import Any

import click

from pcsim.cli.options import allow_option, read, scenario_options
from pcsim.cli.terminal import echo
from pcsim.scenario import scenario_text


@click.command("show", short_help="Print a scenario with every default and override resolved.")
@scenario_options
@allow_option
def command(scenario: str, allow: tuple[str, ...], **changes: Any) -> None:
    """Print SCENARIO, or that of a trace, as TOML with every default and override resolved."""
    echo(scenario_text(read(scenario, runs=False, allow=allow, **changes)), nl=False)
