"""The runs of a study, one after another: one that fails is noted with its reason, and the rest goes on."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from pcsim.errors import Interrupted, PcsimError, RunFailed, UsageError, out_of_memory
from pcsim.scenario import Run
from pcsim.studies.results import Measured, Results

T = TypeVar("T")
FAILED, FAILURE = "failed", "failure"
"""The names that runs which failed, and why, have among the results of every study."""


class Attempts:
    """The runs of a study, and which of them failed so far."""

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = tuple(runs)
        self.ended = 0
        self._failures: dict[str, str] = {}

    def of(self, measure: Callable[[Run], T], runs: Sequence[Run] | None = None) -> Iterator[tuple[list[Run], list[T]]]:
        """Measure one run after another, all unless some are given; yield those done so far, and what each came to.

        What fails is left out, and noted. Where all do, raises the first's error: nothing can be shown then.
        """
        done, found, first = list[Run](), list[T](), list[PcsimError]()
        for each in self.runs if runs is None else runs:
            try:
                found.append(measure(each))
                done.append(each)
            except Interrupted:
                raise
            except (PcsimError, MemoryError, np.linalg.LinAlgError) as error:
                first.append(_as_ours(error))
                self.note(each, str(first[-1]))
            self.ended += 1
            if done:
                yield done, found
        if len(first) == 1 and not done:
            raise first[0]
        if not done:
            kind = UsageError if isinstance(first[0], UsageError) else RunFailed
            raise kind(f"all {len(first)} runs failed, the first: {first[0]}")

    def note(self, run: Run, failure: str) -> None:
        """Note why a run failed, without the advice: it is for whoever runs that alone."""
        self._failures[run.label() or "the run"] = failure.splitlines()[0].partition("; ")[0]

    def failures(self) -> Results:
        """Return the runs that failed, as results; nothing where none did."""
        if not self._failures:
            return {}
        return {
            FAILED: Measured(np.array(list(self._failures)), (FAILED,), "values of the run's own, of runs that failed"),
            FAILURE: Measured(np.array(list(self._failures.values())), (FAILED,), "why"),
        }


def failures_of(results: Results) -> dict[str, str]:
    """Return why runs failed by the words for each; empty where none did."""
    if FAILURE not in results:
        return {}
    return {str(run): str(why) for run, why in zip(results[FAILED].values, results[FAILURE].values, strict=True)}


def _as_ours(error: BaseException) -> PcsimError:
    if isinstance(error, PcsimError):
        return error
    return UsageError(out_of_memory(error)) if isinstance(error, MemoryError) else RunFailed(str(error))
