"""The runs of a study: where they are carried out, which are known already, and which failed."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import numpy as np

from pcsim.errors import Interrupted, PcsimError, RunFailed, UsageError, out_of_memory
from pcsim.jobs import Executor, Here
from pcsim.scenario import Run
from pcsim.studies.keys import Keys
from pcsim.studies.ledger import Ledger
from pcsim.studies.place import Place
from pcsim.studies.results import Measured, Results
from pcsim.studies.rows import Measures, Row, failure_in_words, measured_row

FAILED, FAILURE = "failed", "failure"
"""The names that runs which failed, and why, have among the results of every study."""
PATIENCE = 50.0
"""How many times as long as writing what there is so far a study goes on before it does so again."""
Measure = Callable[[Run, Place], Measures]
Heard = Callable[[Run, Row], None]
Told = Callable[[Run, Row, int, int], None]
"""Called with a run that is over, what came of it, how many are, and of how many."""


class Attempts:
    """The runs of a study, and what came of those that are over."""

    def __init__(
        self,
        runs: Sequence[Run],
        kind: str = "",
        *,
        executor: Executor | None = None,
        ledger: Ledger | None = None,
        told: Told | None = None,
    ) -> None:
        self.runs = tuple(runs)
        self.ledger = ledger or Ledger()
        self._keys, self._executor, self._told = Keys(kind), executor or Here(), told
        self._chosen: list[Run] = []
        self._over: dict[int, Row] = {}
        self._errors: list[PcsimError] = []

    def of(
        self, measure: Measure, runs: Sequence[Run] | None = None
    ) -> Iterator[tuple[list[Run], list[dict[str, Any]]]]:
        """Measure all runs unless some are given; yield those done so far, in order, and what each came to.

        It yields now and then, before whatever ends it, and when all are over. What fails is left out, and noted. Where
        all do, raises the first's error: nothing can be shown then. Raises `UsageError` where rows are known of runs
        that are not among these.
        """
        chosen = self.runs if runs is None else runs
        self.require_only(chosen)
        yield from self.of_drawn(measure, chosen, len(chosen))

    def require_only(self, runs: Iterable[Run]) -> None:
        """Raise `UsageError` where rows are known of other runs than these."""
        self.ledger.require_only(self._keys.of(each.scenario) for each in runs)

    def of_drawn(
        self, measure: Measure, runs: Iterable[Run], count: int, heard: Heard | None = None
    ) -> Iterator[tuple[list[Run], list[dict[str, Any]]]]:
        """Measure runs that are drawn one by one, `count` of them; as `of`.

        The next is drawn when there is a place for it; `heard` is called with each that is over, at once.
        """
        written, took = -np.inf, 0.0
        try:
            for number, row in self._rows(measure, runs, heard):
                self._over[number] = row
                if self._told is not None:
                    self._told(self._chosen[number], row, len(self._over), count)
                begun = time.perf_counter()
                if begun - written > PATIENCE * took and self._measured:
                    yield self._so_far()
                    written = time.perf_counter()
                    took = written - begun
        except GeneratorExit:
            raise
        except BaseException:
            if self._measured:
                yield self._so_far()
            raise
        if self._measured:
            yield self._so_far()
        elif self._over:
            raise self._nothing()

    def _rows(self, measure: Measure, runs: Iterable[Run], heard: Heard | None) -> Iterator[tuple[int, Row]]:
        """Yield the place of every run that is over and its row; those that are known are not repeated."""
        known: list[tuple[int, Row]] = []
        begun: list[tuple[int, str]] = []
        twins: dict[str, list[int]] = {}

        def over(number: int, row: Row) -> tuple[int, Row]:
            # What differs between runs of one key may be more than when this one ran.
            row = replace(row, values=self._chosen[number].values)
            if heard is not None:
                heard(self._chosen[number], row)
            return number, row

        def calls() -> Iterator[tuple[Any, ...]]:
            for each in runs:
                number, key = len(self._chosen), self._keys.of(each.scenario)
                self._chosen.append(each)
                if (row := self.ledger.known(key)) is not None:
                    known.append(over(number, row))
                elif key in twins:  # under way: a second one would write to the same place
                    twins[key].append(number)
                else:
                    twins[key] = []
                    begun.append((number, key))
                    yield measure, each, self.ledger.place(key)

        with closing(self._executor.run(_timed, calls())) as outcomes:
            for outcome in outcomes:
                number, key = begun[outcome.number]
                each = self._chosen[number]
                if outcome.error is None:
                    row = measured_row(key, each.values, *outcome.value)
                else:
                    row = self._failed(key, each.values, outcome.error)
                self.ledger.keep(row)
                known.extend(over(same, row) for same in (number, *twins.pop(key)))
                yield from (known.pop(0) for _ in range(len(known)))
        yield from known

    def _failed(self, key: str, values: Any, error: Exception) -> Row:
        if isinstance(error, Interrupted) or not isinstance(error, PcsimError | MemoryError | np.linalg.LinAlgError):
            raise error
        self._errors.append(_as_ours(error))
        ended = not error.again if isinstance(error, RunFailed) else isinstance(error, np.linalg.LinAlgError)
        return Row(key, values, failure=failure_in_words(str(self._errors[-1])), again=not ended)

    @property
    def _measured(self) -> bool:
        return any(row.measured for row in self._over.values())

    def _so_far(self) -> tuple[list[Run], list[dict[str, Any]]]:
        done = [number for number in sorted(self._over) if self._over[number].measured]
        return [self._chosen[i] for i in done], [dict(self._over[i].measured) for i in done]

    def _nothing(self) -> PcsimError:
        """Return the error of a study in which every run failed."""
        if len(self._over) == len(self._errors) == 1:
            return self._errors[0]
        kind = UsageError if any(isinstance(error, UsageError) for error in self._errors[:1]) else RunFailed
        first = self._errors[0] if self._errors else self._over[0].failure
        return kind(f"all {len(self._over)} runs failed, the first: {first}")

    @property
    def rows(self) -> list[Row]:
        """The rows of the runs that are over, in the order of the runs."""
        return [self._over[number] for number in sorted(self._over)]

    def failures(self) -> Results:
        """Return the runs that failed, as results; nothing where none did."""
        failed = [number for number in sorted(self._over) if self._over[number].failure]
        if not failed:
            return {}
        names = np.array([self._chosen[i].label() or "the run" for i in failed])
        why = np.array([self._over[i].failure for i in failed])
        return {
            FAILED: Measured(names, (FAILED,), "values of the run's own, of runs that failed"),
            FAILURE: Measured(why, (FAILED,), "why"),
        }


def failures_of(results: Results) -> dict[str, str]:
    """Return why runs failed by the words for each; empty where none did."""
    if FAILURE not in results:
        return {}
    return {str(run): str(why) for run, why in zip(results[FAILED].values, results[FAILURE].values, strict=True)}


def _timed(measure: Measure, run: Run, place: Place) -> tuple[Measures, float]:
    begun = time.perf_counter()
    return measure(run, place), time.perf_counter() - begun


def _as_ours(error: Exception) -> PcsimError:
    if isinstance(error, PcsimError):
        return error
    return UsageError(out_of_memory(error)) if isinstance(error, MemoryError) else RunFailed(str(error))
