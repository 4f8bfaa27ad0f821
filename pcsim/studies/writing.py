"""A study on its way into its file: what there is so far is written now and then, and whatever ends it."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from pcsim.errors import Interrupted, PcsimError, RunFailed, UsageError
from pcsim.interruption import signal_of, stopping_at_once, words_of
from pcsim.scenario import Scenario
from pcsim.studies.attempts import Attempts
from pcsim.studies.file import Attributes, write_study
from pcsim.studies.kinds import load_kind
from pcsim.studies.results import Measured, Results
from pcsim.trace import Trace


@dataclass
class Writing:
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
        """Go through the runs and return the trace; raises as `run_study`."""
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
        """Write what there is."""
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
