"""Running a study: its results are written after each finished part, whatever ends it."""

from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path

from pcsim.errors import UsageError
from pcsim.jobs import Cluster
from pcsim.runs.sharing import executor_for, lasts
from pcsim.scenario import Run, Scenario, runs_of
from pcsim.studies.attempts import Attempts, Told
from pcsim.studies.file import rows_of_trace
from pcsim.studies.kinds import require_of_study
from pcsim.studies.ledger import Ledger
from pcsim.studies.part import Part
from pcsim.studies.row_journal import read_rows, rows_path
from pcsim.studies.rows import Row
from pcsim.studies.trials import journal_of
from pcsim.studies.writing import Writing
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
    part: Part | None = None,
    cluster: str | None = None,
    progress: Callable[[float, float], None] | None = None,
    told: Told | None = None,
) -> Trace:
    """Compute what the [study] or [sweep] of a scenario asks for, and return the trace that holds it.

    With `path` the trace is written now and then, and every run that is over is on disk at once; `resume` names such a
    trace, whose runs are not repeated. Runs go side by side in `jobs` processes (None: as many as there are cores where
    that is worth it), their numbers are the same to the bit however many there are.
    `cluster` is the address of a Dask scheduler, or its file: runs go to its workers.
    With `part` the trace holds a share of the runs, which `merge` puts together with the others. `progress` is called
    with the number of those that are over and of all, `told` with what came of each. Raises
    `UsageError` before anything is finished, `RunFailed` and `Interrupted` as `pcsim.run` does: what was finished is
    kept and attached to the error as `trace`.
    """
    asked = scenario.asks_for
    if asked is None:
        raise UsageError("the scenario has neither [sweep] nor [study]; run it with pcsim.run")
    runs = runs_of(scenario)
    require_of_study(asked.kind, scenario, runs)
    if part is not None:
        runs = part.of(scenario, runs)
    target = _target(resume or path, force or resume is not None)
    scenarios = [each.scenario for each in runs] * (1 if scenario.search is None else scenario.search.trials)
    executor = executor_for(scenarios, jobs, cluster)
    with closing(executor) if isinstance(executor, Cluster) else nullcontext():
        places = target is not None and lasts(scenarios, WORTH_CHECKPOINTS)
        ledger = _ledger(target, resume=resume is not None, force=force, places=places)
        try:
            attempts = Attempts(runs, asked.kind, executor=executor, ledger=ledger, told=_telling(progress, told))
            study = Writing(scenario, asked.kind, attempts, target, new=not force and resume is None)
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
