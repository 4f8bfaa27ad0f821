"""The errors a user can meet: each is one line that says where, what, what is allowed and what to do."""

import re
import signal
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

AT_COMMAND_LINE: ContextVar[bool] = ContextVar("AT_COMMAND_LINE", default=False)

_IN_PYTHON = (
    (r"by the same command with", "by the same call with"),
    (r"pcsim run … --resume\b", "pcsim.run(…, resume=…)"),
    (r"--resume (\S+)", r'resume="\1"'),
    (r"--resume\b", "resume="),
    (r"--(force|theory)\b", r"\1=True"),
    (r"--backend (\w+)", r'backend="\1"'),
    (r"--allow ([\w.]*\w)", r'allow="\1"'),
    (r"--scenario\b", "scenario="),
    (r"--form\b", "form"),
    (r"--set (?=\w+\.\w+ (?:or|and)\b)", "an override of "),
    (r"(folder\b[^;]* with) -o\b", r"\1 folder="),
    (r"such as -o (\S+)", r'such as path="\1"'),
    (r"(?<=[ (])-o\b", "path="),
)
"""Options as messages name them, and as calls do."""


class PcsimError(Exception):
    """Base of all errors meant for users; `exit_code` is what the command line returns."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message, with options named as they are given where it is read."""
        return spoken(super().__str__())


class UsageError(PcsimError):
    """Bad usage, scenario, data or file: nothing was started (exit code 2)."""

    exit_code = 2


class ScenarioError(UsageError):
    """A scenario that cannot be read; `problems` holds one line for each mistake found."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems

    def __reduce__(self) -> tuple[type["ScenarioError"], tuple[list[str]]]:
        return type(self), (self.problems,)


class RunFailed(PcsimError):
    """A run that started and could not finish: diverged, disk full, device lost (exit code 1).

    `trace` is what there is of it, where there is one; `again` says that another try may come further: memory, a
    device or the disk failed it.
    """

    exit_code = 1
    again = False

    def __init__(self, message: str, trace: Any = None, *, again: bool = False) -> None:
        super().__init__(message)
        self.trace = trace
        self.again = again or self.again

    def __reduce__(self) -> tuple[Any, ...]:
        # An open file cannot travel to another process.
        return type(self), (str(self),), {"again": self.again}


class DeviceFailed(RunFailed):
    """A device that failed in the middle of a run: what it had not yet handed over is lost (exit code 1)."""

    again = True


class Interrupted(RunFailed):
    """A run that was stopped; `trace` holds what was recorded.

    `signum` is the signal that it was stopped by: exit code 130 after Ctrl-C, 143 after SIGTERM, 129 after SIGHUP.
    """

    def __init__(self, message: str, trace: Any = None, signum: int = signal.SIGINT) -> None:
        super().__init__(message, trace)
        self.signum = signum
        self.exit_code = 128 + signum

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (str(self), None, self.signum)


class DeviationFound(PcsimError):
    """A replayed simulation differs from its trace (exit code 3)."""

    exit_code = 3


def out_of_memory(error: BaseException, fix: str = "use a smaller network, batch or data set") -> str:
    """Return a line that says so, what was asked for where the error knows it, and what to do."""
    asked = " ".join(str(error).split())
    return f"out of memory{f': {asked}' if asked else ''}; {fix}"


def is_short_of_memory(size: int) -> bool:
    """Tell whether so many bytes cannot be had."""
    try:
        bytearray(size)
    except MemoryError:
        return True
    return False


class PcsimWarning(UserWarning):
    """What a user should know of, though everything goes on; the command line prints it as a note, once."""


def lacks(backend: str, what: str, word: str, words: Sequence[str]) -> str:
    """Return `"backend 'x' has no method 'y'; it has …"`, without a suggestion."""
    return f"backend '{backend}' has no {what} '{word}'; it has {', '.join(words)}"


def did_you_mean(word: str, allowed: list[str]) -> str:
    """Return `"; did you mean 'x'?"` for the closest allowed word, or nothing when none is close."""
    import difflib

    close = difflib.get_close_matches(word, allowed, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def spoken(message: str) -> str:
    """Return a message with options as the user of this thread gives them: `--force`, or `force=True`."""
    if AT_COMMAND_LINE.get():
        return message
    for typed, python in _IN_PYTHON:
        message = re.sub(typed, python, message)
    return message
