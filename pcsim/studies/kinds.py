"""The kinds of studies: each is one module of this package, named as the word in the file."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from pcsim.scenario import Run, Scenario
from pcsim.studies.results import Results


@runtime_checkable
class Kind(Protocol):
    """What a module of a kind has."""

    def compute(self, scenario: Scenario, runs: Sequence[Run]) -> Iterator[Results]:
        """Yield all results so far after each run or other part that is finished; what is yielded last is the whole.

        `scenario` is the one read, `runs` are those that its sweep makes of it.
        """
        ...

    def draw(self, results: Results) -> Any:
        """Return a matplotlib figure of what there is."""
        ...

    def table(self, results: Results) -> list[dict[str, str]]:
        """Return the main numbers for the summary, a row of texts by heading each."""
        ...


def load_kind(word: str) -> Kind:
    """Return the module of a kind."""
    return cast("Kind", import_module(f"pcsim.studies.{word.replace('-', '_')}"))
