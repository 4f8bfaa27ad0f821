"""Where training goes on: at its last checkpoint, and after its end where a longer run would have come the same way."""

from pathlib import Path

from pcsim.assemble import TrainingSetup
from pcsim.errors import UsageError
from pcsim.learning.progress import TrainingResult
from pcsim.runs.checkpoint import (
    EPOCHS,
    Checkpoint,
    Origin,
    checkpoint_of,
    checkpoint_path,
    read_checkpoint,
    remove_checkpoint,
)
from pcsim.trace import open_trace, repair
from pcsim.trace.journal import journal_path


def leads_further(setup: TrainingSetup, trained: TrainingResult) -> bool:
    """Tell whether more epochs after the end are those of a longer run, and the last checkpoint is worth keeping."""
    return not setup.plan.schedule.depends_on_length and not trained.stopped_early


def to_go_on_from(setup: TrainingSetup | None, trace: Path) -> Checkpoint:
    """Return the last checkpoint of a training run, whose trace may be gone; `UsageError` if it cannot go on."""
    if setup is None:
        raise UsageError(f"{trace} cannot be resumed: the scenario has no [learning], and inference starts anew")
    kept = checkpoint_path(trace)
    if not trace.exists() and kept.exists():
        return read_checkpoint(kept)
    if journal_path(trace).exists():  # its writer was killed
        repair(trace)
    with open_trace(trace) as old:
        attributes = old.attributes
    if attributes.get("status") == "complete":
        _require_further(setup, trace, int(attributes.get("epochs_trained", 0)), bool(attributes.get("stopped_early")))
    if not kept.exists():
        raise UsageError(f"{trace} has no checkpoint ({kept}); start anew with --force")
    return checkpoint_of(trace, attributes)


def check_fits(checkpoint: Checkpoint, setup: TrainingSetup, origin: Origin) -> str | None:
    """Raise `UsageError` for the checkpoint of another run; return a note on what cannot be said, or may differ.

    The number of epochs may be another where it does not change those before.
    """
    longer = not setup.plan.schedule.depends_on_length and setup.plan.epochs >= checkpoint.count("epoch")
    return checkpoint.check_fits(origin, but=(EPOCHS,) if longer else ())


def _require_further(setup: TrainingSetup, trace: Path, trained: int, stopped_early: bool) -> None:
    """Raise `UsageError` where a finished run cannot go on, or has nothing left to do."""
    anew = f"start another run from it with network.weights={trace}"
    if stopped_early or setup.plan.schedule.depends_on_length:
        remove_checkpoint(trace)  # a kill may have left it
    if setup.plan.epochs <= trained:
        more = f"set learning.epochs above {trained}, or " if checkpoint_path(trace).exists() else ""
        raise UsageError(f"{trace} is complete: there is nothing to resume; to train its network further, {more}{anew}")
    if stopped_early:
        raise UsageError(f"{trace} stopped early, by learning.patience: more epochs change nothing; {anew}")
    if setup.plan.schedule.depends_on_length:
        raise UsageError(
            f"{trace} is complete, and learning.schedule spreads its rates over learning.epochs: with "
            f"{setup.plan.epochs} of them the first {trained} would have been others; {anew}"
        )
    if not checkpoint_path(trace).exists():
        raise UsageError(
            f"{trace} is complete, and what its optimizer remembers is not kept ({checkpoint_path(trace)}); {anew}"
        )
