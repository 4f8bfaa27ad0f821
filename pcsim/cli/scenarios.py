"""`pcsim scenarios`: list what ships."""

import click

from pcsim.cli.terminal import echo
from pcsim.scenario import list_scenarios


@click.command("scenarios", short_help="List the scenarios that ship.")
def command() -> None:
    """List the scenarios that ship; run one with: pcsim run NAME."""
    found = list_scenarios()
    width = max(len(name) for name, _ in found)
    for name, title in found:
        echo(f"{name:{width}}  {title}")
