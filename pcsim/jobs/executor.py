"""What carries out calls promises, and the plain way: here, one after another."""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pcsim.errors import RunFailed
from pcsim.jobs.threads import one_thread

Call = tuple[Any, ...]


class Lost(RunFailed):
    """A call whose process went away without an answer, more than once."""

    again = True


@dataclass(frozen=True)
class Outcome:
    """What came of a call: its place among the calls, and a value or an error."""

    number: int
    value: Any = None
    error: Exception | None = None


@runtime_checkable
class Executor(Protocol):
    """Where calls are carried out."""

    def run(self, function: Callable[..., Any], calls: Iterable[Call]) -> Generator[Outcome]:
        """Yield what comes of every call as soon as it is known; the next is taken when there is a place for it.

        An error that a call raises is its outcome. Closing the generator stops what still runs. Function, calls and
        values travel by pickle where they leave this process.
        """
        ...


class Here:
    """This process, one call after another."""

    def run(self, function: Callable[..., Any], calls: Iterable[Call]) -> Generator[Outcome]:
        """Yield what comes of every call."""
        for number, call in enumerate(calls):
            with one_thread():
                value, error = attempt(function, call)
            yield Outcome(number, value, error)


def attempt(function: Callable[..., Any], call: Call) -> tuple[Any, Exception | None]:
    """Return what a function comes to, or the error that it raises."""
    try:
        return function(*call), None
    except Exception as error:
        return None, error
