"""The kinds of studies: each is one module of this package, named as the word in the file."""

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, Protocol, cast, get_args, runtime_checkable

from pcsim.errors import UsageError
from pcsim.scenario import Run, Scenario
from pcsim.scenario.study import Kind as Word
from pcsim.studies.attempts import FAILED, FAILURE, Attempts, failures_of
from pcsim.studies.results import Results
from pcsim.studies.work import Work


@runtime_checkable
class Kind(Protocol):
    """What a module of a kind has.

    It may have `require(scenario, runs)` and `require_of_each(run)`, too, which raise `UsageError` for a scenario, or
    one run of its sweep, that it cannot be of: before anything is computed, and in `pcsim check`; and `WORK`, which
    says what it does with its runs.
    """

    def compute(self, scenario: Scenario, attempts: Attempts) -> Iterator[Results]:
        """Yield all results so far after each run or other part that is finished; what is yielded last is the whole.

        `scenario` is the one read, `attempts` are at the runs that its sweep makes of it.
        """
        ...

    def draw(self, results: Results) -> Any:
        """Return a matplotlib figure of what there is."""
        ...

    def table(self, results: Results) -> list[dict[str, str]]:
        """Return the main numbers for the summary, a row of texts by heading each."""
        ...


def rows_of(kind: str, results: Results) -> list[dict[str, str]]:
    """Return the rows of a study's table, and why runs failed: beside their numbers, or in rows of their own."""
    failures = failures_of(results)
    rows = load_kind(kind).table(results) if results.keys() - {FAILED, FAILURE} else []
    shown = {next(iter(row.values())) for row in rows}
    heading = next(iter(rows[0])) if rows else "run"
    rows += [{heading: run} for run in failures if run not in shown]
    return [row | {FAILED: failures[row[heading]]} if row[heading] in failures else row for row in rows]


def require_of_study(kind: str, scenario: Scenario, runs: Sequence[Run]) -> None:
    """Raise `UsageError` where a study of this kind cannot be of a scenario, whatever comes of its runs."""
    require: Callable[[Scenario, Sequence[Run]], None] | None = getattr(load_kind(kind), "require", None)
    if require is not None:
        require(scenario, runs)


def require_of_run(kind: str, run: Run) -> None:
    """Raise `UsageError` where a study of this kind cannot be of one of its runs, which is then a row with a reason."""
    require: Callable[[Run], None] | None = getattr(load_kind(kind), "require_of_each", None)
    if require is not None:
        require(run)


def work_of(kind: str) -> Work:
    """Return what a study of this kind does with its runs."""
    found: Work = getattr(load_kind(kind), "WORK", Work.OTHER)
    return found


def load_kind(word: str) -> Kind:
    """Return the module of a kind; UsageError for a word that is none, as a trace may have it."""
    if word not in get_args(Word):
        raise UsageError(f"there is no kind of study '{word}' in this pcsim; upgrade it, or open /study in xarray")
    return cast("Kind", import_module(f"pcsim.studies.{word.replace('-', '_')}"))
