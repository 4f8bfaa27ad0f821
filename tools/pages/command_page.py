"""docs/commands.md: what `--help` says, of every command."""

from typing import Any

import click

from pcsim.cli.commands import group

INTRODUCTION = """# Commands: every option

What `pcsim COMMAND --help` says, in one place. `pcsim --debug COMMAND …` shows the traceback of an error, `pcsim
--version` the version. `SCENARIO` is a file, the name of one that ships, or a trace, whose scenario is meant. Exit
codes: 0 fine; 1 the run failed, its trace kept; 2 bad usage or scenario, nothing was started; 3 `replay --verify`
found a deviation; 129, 130 and 143 after SIGHUP, Ctrl-C and SIGTERM.

This page is written by `tools/pages/make_reference.py` from the commands themselves.
"""


def command_page() -> str:
    """Return docs/commands.md."""
    context = click.Context(group, info_name="pcsim")
    commands = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return "\n".join([INTRODUCTION, *(_section(name, command) for name, command in commands if command is not None)])


def _section(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=f"pcsim {name}")
    usage = " ".join([f"pcsim {name}", *command.collect_usage_pieces(context)])
    text = " ".join((command.help or "").split())
    rows = [row for option in command.params if isinstance(option, click.Option) for row in _row(option, context)]
    table = "\n".join(["| option | meaning |", "|---|---|", *rows]) + "\n" if rows else ""
    return f"## {name}\n\n```\n{usage}\n```\n\n{_plain(text)}\n\n{table}"


def _row(option: click.Option, context: click.Context) -> list[str]:
    record: Any = option.get_help_record(context)
    return [] if record is None else [f"| `{record[0]}` | {_plain(' '.join(record[1].split()))} |"]


def _plain(text: str) -> str:
    """Return words of a help as a cell of a table in Markdown shows them."""
    for letter in "\\|*_<[":
        text = text.replace(letter, f"\\{letter}")
    return text
