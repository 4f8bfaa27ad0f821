"""`pcsim schema`: print the JSON Schema of scenario files."""

import json

import click

from pcsim.cli.terminal import echo
from pcsim.scenario import json_schema


@click.command("schema", short_help="Print the JSON Schema of scenario files, for editors.")
def command() -> None:
    """Print the JSON Schema of scenario files, for editors."""
    echo(json.dumps(json_schema(), indent=2))
