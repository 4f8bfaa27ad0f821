"""The command line: thin shells over public functions. Importing this module imports no numerics."""

import sys
from importlib import import_module

import click

from pcsim import __version__

COMMANDS = {
    "run": "Run a scenario and write its trace.",
    "compare": "Run a scenario in several precisions, forms and backends, and compare.",
    "check": "Diagnose a scenario without running it.",
    "show": "Print a scenario with every default and override resolved.",
    "schema": "Print the JSON Schema of scenario files, for editors.",
    "scenarios": "List the scenarios that ship.",
    "backends": "List the backends and what each can do here.",
    "replay": "Play a trace in the terminal, or verify it by simulating again.",
    "plot": "Draw the layerwise energies of traces.",
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

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="pcsim")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def group(debug: bool) -> None:
    """Simulate predictive coding networks.

    Start with: pcsim run signal-decay
    """


def main() -> None:
    """Run the command line; every error becomes one line and an exit code."""
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
    except BrokenPipeError:
        code = _forget_stdout()
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

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
