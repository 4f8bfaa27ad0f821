"""Where a run of a study keeps what it needs to go on after a kill: a trace and its checkpoint, until it is over."""

from dataclasses import dataclass
from pathlib import Path

from pcsim.errors import RunFailed, UsageError
from pcsim.runs.checkpoint import checkpoint_path, remove_checkpoint
from pcsim.runs.experiment import run_experiment
from pcsim.runs.hooks import NOBODY, Hooks
from pcsim.scenario import Run
from pcsim.trace import Trace
from pcsim.trace.atomic import remove_leftovers
from pcsim.trace.journal import remove_journal


@dataclass(frozen=True)
class Place:
    """A file for the trace of a run, None for memory alone."""

    path: Path | None = None

    def run(self, run: Run, hooks: Hooks = NOBODY) -> Trace:
        """Run a scenario of a study and return its trace; one that trains goes on from where a checkpoint stands.

        Raises as `pcsim.run`.
        """
        if self.path is None or run.scenario.learning is None:
            return run_experiment(run.scenario, hooks=hooks)
        try:
            self.path.parent.mkdir(exist_ok=True)
        except OSError:  # a worker elsewhere sees no such folder
            return run_experiment(run.scenario, hooks=hooks)
        if checkpoint_path(self.path).exists():
            try:
                return run_experiment(run.scenario, hooks=hooks, resume=self.path)
            except UsageError:  # written by another version, or torn: the run itself is what matters
                self.clear()
        return run_experiment(run.scenario, path=self.path, force=True, hooks=hooks)

    def run_as_far_as_it_goes(self, run: Run, hooks: Hooks = NOBODY) -> Trace:
        """Return the trace of a run, of one that diverges what there is of it."""
        try:
            return self.run(run, hooks)
        except RunFailed as error:
            if error.trace is None or error.again or error.exit_code != RunFailed.exit_code:
                raise
            return error.trace

    def clear(self) -> None:
        """Remove what a run has left."""
        if self.path is None or not self.path.parent.exists():
            return
        remove_leftovers(self.path)
        remove_checkpoint(self.path)
        remove_journal(self.path)
        self.path.unlink(missing_ok=True)


NOWHERE = Place()
