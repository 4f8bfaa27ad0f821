"""`pcsim backends`: which backends can be used here, and why the others cannot."""

import click

from pcsim.backend import installed_backends, load_backend
from pcsim.errors import UsageError


@click.command("backends", short_help="List the backends and what each can do here.")
def command() -> None:
    """List the installed backends: device, precisions, methods, layers and solvers, or why not and the fix."""
    for name in installed_backends():
        try:
            able = load_backend(name).capabilities()
        except UsageError as error:
            click.echo(f"{name}: not usable: {error}")
            continue
        if able.problem is not None:
            click.echo(f"{name}: not usable: {able.problem}; {able.fix}")
            continue
        click.echo(f"{name}: usable")
        click.echo(f"  device      {able.device}")
        click.echo(f"  precisions  {', '.join(able.precisions)}")
        click.echo(f"  methods     {', '.join(able.methods)}")
        click.echo(f"  layers      {', '.join(able.layers)}")
        click.echo(f"  solvers     {', '.join(able.solvers) or 'none: discrete steps only'}")
