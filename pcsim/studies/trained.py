"""Networks that a study trains to look at them, with what their optimiser remembers: no trace is kept."""

from pcsim.errors import RunFailed, UsageError
from pcsim.learning.progress import TrainingState
from pcsim.learning.trainer import Snapshot, Trainer
from pcsim.learning.training import Training
from pcsim.runs.simulation import Simulation
from pcsim.trace.training import EpochBlock, EvaluationBlock, UpdateBlock


class NoLog:
    """Keeps nothing of what training reports."""

    ended = False

    def updates(self, block: UpdateBlock) -> None:
        pass

    def epoch(self, block: EpochBlock) -> None:
        pass

    def evaluation(self, block: EvaluationBlock) -> None:
        pass

    def checkpoint(self, state: TrainingState) -> None:
        pass


def train_with(simulation: Simulation, trainer: Trainer | None) -> Snapshot:
    """Train as a run's [learning] says, and return where that ends.

    Raises `UsageError` for a run that does not train, and `RunFailed` for one that diverges.
    """
    setup = simulation.training
    if trainer is None or setup is None:
        raise UsageError("the run does not train; add [learning]")
    ended = Training(setup.plan, setup.samples, trainer, NoLog(), lambda update: False, None).run()
    if ended.failure is not None:
        raise RunFailed(ended.failure)
    return trainer.snapshot()
