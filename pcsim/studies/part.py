"""Shares of a study: each is run for itself, and they are put together, without anything between them but files."""

from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcsim.errors import UsageError
from pcsim.jobs import Outcome
from pcsim.scenario import Run, Scenario, parse_scenario, runs_of, scenario_text
from pcsim.studies.attempts import Attempts
from pcsim.studies.file import rows_of_trace
from pcsim.studies.keys import placeless
from pcsim.studies.ledger import Ledger
from pcsim.studies.rows import Row
from pcsim.studies.writing import Writing
from pcsim.trace import Trace, open_trace
from pcsim.trace.files import check_replaceable, check_target
from pcsim.words import count


@dataclass(frozen=True)
class Part:
    """The share `number` of `of` shares of a study, counted from 1."""

    number: int
    of_all: int

    @classmethod
    def read(cls, text: str) -> "Part":
        """Return the part that a text such as `2/8` names; `UsageError` for any other."""
        number, slash, of_all = text.partition("/")
        if slash and number.isdecimal() and of_all.isdecimal() and 1 <= int(number) <= int(of_all):
            return cls(int(number), int(of_all))
        raise UsageError(f"part '{text}' is not allowed; give a number and how many parts there are, such as 2/8")

    def of(self, scenario: Scenario, runs: Sequence[Run]) -> tuple[Run, ...]:
        """Return every so manieth run; `UsageError` for a search, whose runs are not known beforehand."""
        if scenario.search is not None:
            raise UsageError(
                f"{scenario.where('search')}: parts are shares of a list, and a search draws one run after another; "
                "give --jobs instead, or write lists in [sweep]"
            )
        return tuple(runs[self.number - 1 :: self.of_all])

    def path(self, study: Path) -> Path:
        """Return where the part of a study is written: `s-part2of8.h5` of `s.h5`."""
        return study.with_name(f"{study.stem}-part{self.number}of{self.of_all}{study.suffix}")


def merge(parts: Sequence[str | Path], path: str | Path, *, force: bool = False) -> Trace:
    """Put the parts of a study together, write the whole to `path` and return its trace.

    Raises `UsageError` for parts of different scenarios, and where runs are in none of them; nothing is run.
    """
    target = Path(path)
    if force:
        check_replaceable(target)
    check_target(target, force)
    scenarios, rows = list[Scenario](), dict[str, Row]()
    for part in parts:
        with open_trace(part) as trace:
            if "study" not in trace.attributes:
                raise UsageError(f"{part} is of one run, not of a part of a study")
            scenarios.append(parse_scenario(trace.provenance["scenario"], name=str(part), allow=()))
            if scenario_text(placeless(scenarios[-1])) != scenario_text(placeless(scenarios[0])):
                raise UsageError(f"{parts[0]} and {part} are parts of different studies")
            for row in rows_of_trace(trace):
                if row.key not in rows or rows[row.key].again:
                    rows[row.key] = row
    # Runs are known by their data, too: parts of other machines name files that are not here.
    scenario = next((each for each in scenarios if _files_are_here(each)), scenarios[0])
    asked, runs = scenario.asks_for, runs_of(scenario)
    if asked is None or asked.kind == "search":
        raise UsageError(f"{parts[0]} is no part of a [sweep]")
    attempts = Attempts(runs, asked.kind, executor=_Nowhere(runs, rows), ledger=_Known(rows))
    return Writing(scenario, asked.kind, attempts, target, new=not force).run()


def _files_are_here(scenario: Scenario) -> bool:
    return all(file is None or file.exists() for file in (scenario.data.file, scenario.network.weights))


class _Known(Ledger):
    """Rows of parts, failed ones included: nothing is tried again."""

    def __init__(self, rows: dict[str, Row]) -> None:
        super().__init__()
        self._known = rows

    def require_only(self, keys: Iterable[str]) -> None:
        """Raise `UsageError` where rows are of other data: all are of one scenario."""
        others = len(self._known.keys() - set(keys))
        if others:
            raise UsageError(
                f"{count(others, 'run')} in these parts had other data or weights than the scenario's files hold here; "
                "merge on a machine where data.file and network.weights are those of the runs"
            )


class _Nowhere:
    """Where runs go that should be there."""

    def __init__(self, runs: Sequence[Run], rows: dict[str, Row]) -> None:
        self._runs, self._rows = runs, rows

    def run(self, function: Callable[..., Any], calls: Iterable[tuple[Any, ...]]) -> Generator[Outcome]:
        """Raise `UsageError` where there is a call."""
        for _, each, _ in calls:
            missing = count(max(1, len(self._runs) - len(self._rows)), "run")
            raise UsageError(
                f"{missing} of {len(self._runs)} are in no part, the first: {each.label() or 'the run'}; name all "
                "parts, or finish those that were broken off with --resume"
            )
        yield from ()
