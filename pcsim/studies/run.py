"""Running a study: its results are written after each finished part, whatever ends it."""

import time
from collections.abc import Callable
from pathlib import Path

from pcsim.errors import Interrupted, PcsimError, RunFailed, UsageError
from pcsim.interruption import signal_of, stopping_at_once, words_of
from pcsim.scenario import Scenario, runs_of
from pcsim.studies.attempts import Attempts
from pcsim.studies.file import Attributes, write_study
from pcsim.studies.kinds import load_kind, require_of_study
from pcsim.studies.results import Results
from pcsim.trace import Trace
from pcsim.trace.atomic import remove_leftovers
from pcsim.trace.files import check_replaceable, check_target
from pcsim.trace.names import check_trace_name


def run_study(
    scenario: Scenario,
    *,
    path: Path | None = None,
    force: bool = False,
    progress: Callable[[float, float], None] | None = None,
) -> Trace:
    """Compute what the [study] or [sweep] of a scenario asks for, and return the trace that holds it.

    With `path` the trace is written whenever a part of the study is finished; `progress` is called with their number
    and that of the runs. Raises `UsageError` before anything is finished, `RunFailed` and `Interrupted` as
    `pcsim.run` does: what was finished is kept and attached to the error as `trace`.
    """
    asked = scenario.asks_for
    if asked is None:
        raise UsageError("the scenario has neither [sweep] nor [study]; run it with pcsim.run")
    if path is not None:
        check_trace_name(path)
        if force:
            check_replaceable(path)
    target = None if path is None else check_target(path, force)
    if target is not None:
        remove_leftovers(target)
    kind, attempts, start = load_kind(asked.kind), Attempts(runs_of(scenario)), time.perf_counter()
    require_of_study(asked.kind, scenario, attempts.runs)
    results: Results = {}
    written = False

    def write(status: str) -> Trace:
        nonlocal written
        trace = write_study(target, scenario, _attributes(scenario, asked.kind, status, start), results, new=new())
        written = True
        return trace

    def new() -> bool:
        return not written and not force

    kept = "" if target is None else f"; what was finished is in {target}"
    try:
        with stopping_at_once():
            for part, found in enumerate(kind.compute(scenario, attempts), start=1):
                results = {**found, **attempts.failures()}
                write("running").close()
                if progress is not None:
                    progress(attempts.ended or part, len(attempts.runs))
        results = {**results, **attempts.failures()}
    except UsageError:
        if results:
            write("failed").close()
        raise
    except (Interrupted, KeyboardInterrupt) as error:
        signum = signal_of(error)
        raise Interrupted(f"{words_of(signum)}{kept}", write("interrupted"), signum) from error
    except PcsimError as error:
        raise RunFailed(f"{error}{kept}", write("failed")) from error
    except BaseException:  # of the progress callback, say: it is the user's to deal with
        write("interrupted").close()
        raise
    return write("complete")


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
