"""What a user may have meant by an option that does not exist, and by `--set` without its sign."""

import difflib
from collections.abc import Sequence

import click


def unknown_option(error: click.NoSuchOption, arguments: Sequence[str]) -> str:
    """Return what to say about an option that a command does not have; a key of scenarios is given by --set."""
    from pcsim.scenario import homes_of

    name = error.option_name
    command = None if error.ctx is None else error.ctx.command
    options = {each.lstrip("-"): each for parameter in (command.params if command else ()) for each in parameter.opts}
    word = name.lstrip("-")
    close = sorted((each for each in options if len(word) > 1 and each.startswith(word)), key=len)
    close = close or difflib.get_close_matches(word, options, n=1, cutoff=0.75)
    if close:
        return f"there is no option {name}; did you mean '{options[close[0]]}'?"
    if "set" in options and (keys := homes_of(word)):
        ways = " or ".join(f"--set {key}={_value_after(name, arguments)}" for key in keys)
        return f"there is no option {name}; keys of the scenario are set by {ways}"
    return f"there is no option {name}"


def unjoined_set(arguments: Sequence[str]) -> str | None:
    """Return what to say where `--set key value` is typed with a space."""
    for i, word in enumerate(arguments[:-2]):
        key, value = arguments[i + 1 : i + 3]
        if word == "--set" and "=" not in key and not value.startswith("-"):
            return f"--set {key} {value}: key and value are one word; write --set {key}={value}"
    return None


def _value_after(name: str, arguments: Sequence[str]) -> str:
    for i, word in enumerate(arguments):
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
        if word == name and i + 1 < len(arguments) and not arguments[i + 1].startswith("--"):
            return arguments[i + 1]
    return "VALUE"
