"""The group of all commands: each is imported when it is used."""

from importlib import import_module

import click

from pcsim.cli import COMMANDS
from pcsim.version import __version__


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used, so that `pcsim --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of a user's day."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return a command."""
        if cmd_name not in COMMANDS:
            return None
        return import_module(f"pcsim.cli.{cmd_name}").command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command a user typed, or say which one may have been meant."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            from pcsim.errors import did_you_mean

            hint = did_you_mean(args[0], list(COMMANDS)) or f"; the commands are {', '.join(COMMANDS)}"
            ctx.fail(f"there is no command '{args[0]}'{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="pcsim")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def group(context: click.Context, debug: bool) -> None:
    """Simulate predictive coding networks.

    Start with: pcsim run signal-decay
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
        context.exit(2)
