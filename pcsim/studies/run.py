"""Running a study: its results are written after each finished part, whatever ends it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pcsim.errors import Interrupted, PcsimError, RunFailed, UsageError
from pcsim.interruption import signal_of, stopping_at_once, words_of
from pcsim.runs.sharing import executor_for, lasts
from pcsim.scenario import Run, Scenario, runs_of
from pcsim.studies.attempts import Attempts, Told
from pcsim.studies.file import Attributes, rows_of_trace, write_study
from pcsim.studies.kinds import load_kind, require_of_study
from pcsim.studies.ledger import Ledger
from pcsim.studies.results import Measured, Results
from pcsim.studies.row_journal import read_rows, rows_path
from pcsim.studies.rows import Row
from pcsim.studies.trials import journal_of
from pcsim.trace import Trace, open_trace
from pcsim.trace.atomic import remove_leftovers
from pcsim.trace.files import check_replaceable, check_target
from pcsim.trace.names import check_trace_name
from pcsim.words import count

WORTH_CHECKPOINTS = 10.0
"""Estimated seconds of a training from which a kill must not cost all of it."""


def run_study(
    scenario: Scenario,
    *,
    path: Path | None = None,
    force: bool = False,
    resume: Path | None = None,
    jobs: int | None = 1,
    progress: Callable[[float, float], None] | None = None,
    told: Told | None = None,
) -> Trace:
    """Compute what the [study] or [sweep] of a scenario asks for, and return the trace that holds it.

    With `path` the trace is written now and then, and every run that is over is on disk at once; `resume` names such a
    trace, whose runs are not repeated. Runs go side by side in `jobs` processes (None: as many as there are cores where
    that is worth it), their numbers are the same to the bit however many there are.
    `progress` is called with the number of those that are over and of all, `told` with what came of each. Raises
    `UsageError` before anything is finished, `RunFailed` and `Interrupted` as `pcsim.run` does: what was finished is
    kept and attached to the error as `trace`.
    """
    asked = scenario.asks_for
    if asked is None:
        raise UsageError("the scenario has neither [sweep] nor [study]; run it with pcsim.run")
    runs = runs_of(scenario)
    require_of_study(asked.kind, scenario, runs)
    target = _target(resume or path, force or resume is not None)
    scenarios = [each.scenario for each in runs]
    executor = executor_for(scenarios, jobs)
    places = target is not None and lasts(scenarios, WORTH_CHECKPOINTS)
    ledger = _ledger(target, resume=resume is not None, force=force, places=places)
    try:
        attempts = Attempts(runs, asked.kind, executor=executor, ledger=ledger, told=_telling(progress, told))
        study = _Study(scenario, asked.kind, attempts, target, new=not force and resume is None)
        trace = study.run()
    except BaseException as error:
        ledger.close(whole=getattr(error, "trace", None) is not None)
        raise
    ledger.close(whole=True)
    return trace


def _telling(progress: Callable[[float, float], None] | None, told: Told | None) -> Told:
    def telling(run: Run, row: Row, over: int, of: int) -> None:
        if told is not None:
            told(run, row, over, of)
        if progress is not None:
            progress(over, of)

    return telling


def _target(path: Path | None, replacing: bool) -> Path | None:
    if path is None:
        return None
    check_trace_name(path)
    if replacing:
        check_replaceable(path)
    target = check_target(path, replacing)
    remove_leftovers(target)
    return target


def _ledger(target: Path | None, *, resume: bool, force: bool, places: bool) -> Ledger:
    """Return the ledger of a study, with the rows there are where it is resumed."""
    if target is None:
        return Ledger()
    beside = read_rows(target)
    if resume:
        if not target.exists() and not beside and not journal_of(target).exists():
            raise UsageError(f"there is nothing to resume: {target} does not exist")
        return Ledger(target, known=[*_rows_in(target), *beside], keep=True, places=places)
    if force:
        journal_of(target).unlink(missing_ok=True)
    elif journal_of(target).exists():
        raise UsageError(
            f"{journal_of(target)} holds trials of a search; go on with --resume {target}, or begin anew with --force"
        )
    if beside and not force:
        raise UsageError(
            f"{rows_path(target)} holds {count(len(beside), 'finished run')} of a study that was killed; go on with "
            f"--resume {target}, or begin anew with --force"
        )
    return Ledger(target, places=places)


def _rows_in(path: Path) -> list[Row]:
    if not path.exists():
        return []
    with open_trace(path) as trace:
        if "study" not in trace.attributes:
            raise UsageError(f"{path} is of one run, not of a study; resume it with the scenario of that run")
        return rows_of_trace(trace)


@dataclass
class _Study:
    """A study on its way."""

    scenario: Scenario
    kind: str
    attempts: Attempts
    target: Path | None
    new: bool
    results: Results = field(default_factory=dict[str, Measured])

    def __post_init__(self) -> None:
        self.start = time.perf_counter()

    def run(self) -> Trace:
        kept = "" if self.target is None else f"; what was finished is in {self.target}"
        try:
            with stopping_at_once():
                for found in load_kind(self.kind).compute(self.scenario, self.attempts):
                    self.results = {**found, **self.attempts.failures()}
                    self.write("running").close()
            self.results = {**self.results, **self.attempts.failures()}
        except UsageError:
            if self.attempts.rows:
                self.write("failed").close()
            raise
        except (Interrupted, KeyboardInterrupt) as error:
            signum = signal_of(error)
            again = "" if self.target is None else f"; go on with --resume {self.target}"
            raise Interrupted(f"{words_of(signum)}{kept}{again}", self.write("interrupted"), signum) from error
        except PcsimError as error:
            raise RunFailed(f"{error}{kept}", self.write("failed")) from error
        except BaseException:  # of the progress callback, say: it is the user's to deal with
            self.write("interrupted").close()
            raise
        return self.write("complete")

    def write(self, status: str) -> Trace:
        attributes = _attributes(self.scenario, self.kind, status, self.start)
        trace = write_study(self.target, self.scenario, attributes, self.results, self.attempts.rows, new=self.new)
        self.new = False
        return trace


def _attributes(scenario: Scenario, kind: str, status: str, start: float) -> Attributes:
    return {
        "study": kind,
        "status": status,
        "title": scenario.title,
        "seed": scenario.seed,
        "method": scenario.inference.method,
        "backend": scenario.backend.name,
        "precision": scenario.backend.precision_name,
        "study_seconds": time.perf_counter() - start,
    }
