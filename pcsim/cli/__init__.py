"""The command line: thin shells over public functions. Importing this module imports no numerics."""

import contextlib
import io
import sys
from importlib import import_module

import click

from pcsim.version import __version__

COMMANDS = {
    "run": "Run a scenario and write its trace.",
    "compare": "Run a scenario in several precisions, forms and backends, and compare.",
    "check": "Diagnose a scenario without running it.",
    "inspect": "Show the curvature of the energy, and which step sizes are stable.",
    "show": "Print a scenario with every default and override resolved.",
    "schema": "Print the JSON Schema of scenario files, for editors.",
    "scenarios": "List the scenarios that ship.",
    "backends": "List the backends and what each can do here.",
    "replay": "Play a trace in the terminal, or verify it by simulating again.",
    "plot": "Draw the layerwise energies of traces.",
    "export": "Write the parameters in a trace to a weights file.",
    "eval": "Evaluate a trained network on its data.",
    "learn": "Compute the local weight update of a trace's final states and errors.",
    "repair": "Make the trace of a killed run readable by any HDF5 tool.",
}


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


def main() -> None:
    """Run the command line; every error becomes one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A title or a file name may hold what the terminal's encoding has no letter for.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    sys.exit(call([word for word in arguments if word != "--debug"], debug))


def call(arguments: list[str], debug: bool = False) -> int:
    """Run a command with its arguments and return the exit code; `debug` lets errors through with a traceback."""
    if debug:
        return group.main(arguments, prog_name="pcsim", standalone_mode=False) or 0
    from pcsim.errors import PcsimError

    try:
        code = group.main(arguments, prog_name="pcsim", standalone_mode=False) or 0
    except click.ClickException as error:
        code = _say(_usage_line(error), 2)
    except (KeyboardInterrupt, click.Abort):
        code = _say("interrupted", 130)
    except PcsimError as error:
        code = _say(str(error), error.exit_code)
    except SystemExit as stop:  # how click and rich leave when the reader of a pipe has gone, with 1
        code = _forget_stdout() if stop.code == 1 else 0
    except MemoryError as error:
        code = _say(f"out of memory: {error}", 1)
    except OSError as error:
        what = f"cannot use {error.filename}" if error.filename else "cannot write to standard output"
        code = _say(f"{what}: {error.strerror or error}", 2)
    except Exception as error:  # the last resort: whatever went wrong, a user reads one line
        code = _say(f"{type(error).__name__}: {error}; this is a bug in pcsim: run again with --debug to see where", 1)
    return code


def _usage_line(error: click.ClickException) -> str:
    line = " ".join(error.format_message().split())
    context = getattr(error, "ctx", None)
    return f"{line} (see {context.command_path} --help)" if context is not None else line


def _say(text: str, code: int) -> int:
    for line in text.splitlines() or [""]:
        print(f"error: {line}", file=sys.stderr)
    return code


def _forget_stdout() -> int:
    """Point standard output nowhere: the reader of our pipe has gone, and closing would complain again."""
    import os

    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
