"""One call of the command line: whatever goes wrong becomes one line and an exit code."""

import contextlib
import io
import sys
import textwrap
import warnings
from typing import Any

from pcsim.errors import AT_COMMAND_LINE
from pcsim.interruption import signal_of, stopping_at_once_or_in_an_import, words_of


def main() -> None:
    """Run the command line; every error becomes one line and an exit code."""
    for stream in (sys.stdout, sys.stderr):
        # A title or a file name may hold what the terminal's encoding has no letter for.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.showwarning = _show
    arguments = sys.argv[1:]
    debug = "--debug" in arguments
    code = call([word for word in arguments if word != "--debug"], debug)
    try:
        sys.stdout.flush()
    except OSError:  # Python would complain again on leaving
        _forget_stdout()
    sys.exit(code)


def call(arguments: list[str], debug: bool = False) -> int:
    """Run a command with its arguments and return the exit code; `debug` lets errors through with a traceback."""
    here = AT_COMMAND_LINE.set(True)
    try:
        # All of it, since a second goes by before everything is imported.
        with stopping_at_once_or_in_an_import():
            return _debugged(arguments) if debug else _carried_out(arguments)
    except KeyboardInterrupt as stop:
        signum = signal_of(stop)
        return _say(words_of(signum), 128 + signum)
    finally:
        AT_COMMAND_LINE.reset(here)


def _debugged(arguments: list[str]) -> int:
    from pcsim.cli.commands import group

    return group.main(arguments, prog_name="pcsim", standalone_mode=False) or 0


def _carried_out(arguments: list[str]) -> int:
    import click

    from pcsim.cli.commands import group
    from pcsim.errors import PcsimError, out_of_memory

    try:
        code = group.main(arguments, prog_name="pcsim", standalone_mode=False) or 0
    except click.ClickException as error:
        line = _slip(error, arguments) or " ".join(error.format_message().split())
        context = getattr(error, "ctx", None)
        code = _say(f"{line} (see {context.command_path} --help)" if context is not None else line, 2)
    except click.Abort as error:  # what click makes of Ctrl-C
        signum = signal_of(error.__cause__)
        code = _say(words_of(signum), 128 + signum)
    except PcsimError as error:
        code = _say(str(error), error.exit_code)
    except SystemExit as stop:  # how click and rich leave when the reader of a pipe has gone, with 1
        code = _forget_stdout() if stop.code == 1 else 0
    except MemoryError as error:
        code = _say(out_of_memory(error), 1)
    except OSError as error:
        what = f"cannot use {error.filename}" if error.filename else "cannot write to standard output"
        code = _say(f"{what}: {error.strerror or error}", 2)
    except Exception as error:  # the last resort: whatever went wrong, a user reads one line
        code = _say(_unforeseen(error), 1)
    return code


def _show(message: Warning | str, category: type[Warning], *place: Any, by: Any = warnings.showwarning) -> None:
    """Print a warning of pcsim's own as a note; others as Python does."""
    from pcsim.cli.terminal import echo
    from pcsim.errors import PcsimWarning

    if issubclass(category, PcsimWarning):
        echo(f"note: {message}", err=True)
    else:
        by(message, category, *place)


def _slip(error: Any, arguments: list[str]) -> str | None:
    import click

    from pcsim.cli.slips import unjoined_set, unknown_option

    if isinstance(error, click.NoSuchOption):
        return unknown_option(error, arguments)
    return unjoined_set(arguments) if "unexpected extra argument" in error.format_message() else None


def _say(text: str, code: int) -> int:
    from pcsim.cli.terminal import echo

    with contextlib.suppress(OSError):  # the terminal may be gone
        for line in text.split("\n"):
            echo(f"error: {line}", err=True)
    return code


def _unforeseen(error: Exception) -> str:
    """Return what to say of an error that nobody has thought of, in a line."""
    from pcsim.extensions import place_in_users_code, registered_words

    what = textwrap.shorten(f"{type(error).__name__}: {error}", 300, placeholder=" …")
    place, own = place_in_users_code(error.__traceback__), registered_words()
    whose = f"raised in {place}" if place else "this is a bug in pcsim"
    if own and not place:
        whose = f"this is a bug in pcsim, or in what is registered here ({', '.join(own)})"
    return f"{what}; {whose}: run again with --debug to see where"


def _forget_stdout() -> int:
    """Point standard output nowhere: the reader of our pipe has gone, and closing would complain again."""
    import os

    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141
