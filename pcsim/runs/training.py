"""Carrying out training: rows into the trace, checkpoints beside it, and the way back to where one ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.assemble import TrainingSetup
from pcsim.learning.progress import TrainingResult, TrainingState
from pcsim.learning.trainer import Snapshot, Trainer
from pcsim.learning.training import Training
from pcsim.runs.checkpoint import Checkpoint, Origin, by_path, checkpoint_path, write_checkpoint
from pcsim.runs.hooks import Teller
from pcsim.runs.provenance import describe_machine
from pcsim.runs.simulation import Simulation
from pcsim.scenario import scenario_text
from pcsim.trace import TraceWriter
from pcsim.trace.training import EPOCH, EVALUATION, UPDATE, EpochBlock, EvaluationBlock, UpdateBlock
from pcsim.typing import NDArray


@dataclass(frozen=True)
class TraceLog:
    """Writes what training reports into a trace, and checkpoints beside it where it is a file."""

    writer: TraceWriter
    origin: Origin
    teller: Teller

    def updates(self, block: UpdateBlock) -> None:
        """Append rows of updates."""
        self.writer.append_updates(block)
        self.teller.rows(self.writer.by_clock[UPDATE], block)

    def epoch(self, block: EpochBlock) -> None:
        """Append the row of an epoch."""
        self.writer.append_epochs(block)
        self.teller.rows(self.writer.by_clock[EPOCH], block)

    def evaluation(self, block: EvaluationBlock) -> None:
        """Append the row of an evaluation between updates."""
        self.writer.append_evaluations(block)
        self.teller.rows(self.writer.by_clock[EVALUATION], block)

    @property
    def ended(self) -> bool:
        """Whether a callback wants no further epoch."""
        return self.teller.ended_by is not None

    def checkpoint(self, state: TrainingState) -> None:
        """Replace the checkpoint; the rows up to it are in the trace by now."""
        if self.writer.path is not None:
            self.writer.sync()
            write_checkpoint(checkpoint_path(self.writer.path), to_checkpoint(state, self.origin, self.writer.run_id))


def train(
    setup: TrainingSetup,
    trainer: Trainer,
    log: TraceLog,
    poll: Callable[[int], bool],
    start: TrainingState | None,
) -> TrainingResult:
    """Train as set up, from its beginning or from where a checkpoint stands."""
    return Training(setup.plan, setup.samples, trainer, log, poll, start).run()


def origin_of(simulation: Simulation) -> Origin:
    """Return what tells a training run from others."""
    versions = describe_machine(simulation.packages)["versions"]
    scenario = simulation.scenario
    text, digests = scenario_text(scenario, relative=True), simulation.inputs.digests
    return Origin(text, scenario.backend.name, simulation.task.precision, versions, **digests)


def to_checkpoint(state: TrainingState, origin: Origin, run_id: str) -> Checkpoint:
    """Return a state as it is kept beside the trace of a run."""
    numbers = {
        "epoch": state.epoch,
        "updates": state.snapshot.updates,
        "best_loss": float(state.best_score),
        "best_epoch": state.best_epoch,
        "waited": state.waited,
        "seconds": state.seconds,
    }
    arrays = by_path(by_name(state.snapshot.parameters), "parameters") | by_path(state.snapshot.memory, "memory")
    if state.best is not None:
        arrays |= by_path(by_name(state.best), "best")
    return Checkpoint(origin, arrays, numbers, run_id=run_id)


def to_training_state(checkpoint: Checkpoint, fresh: Snapshot) -> TrainingState:
    """Return where training stood at a checkpoint; `fresh` is the same trainer's before its first update."""
    numbers = checkpoint.numbers

    def parameters(part: str) -> tuple[dict[str, NDArray[Any]], ...]:
        return tuple(
            {name: checkpoint.restored(array, f"{part}/{name}_{i}") for name, array in layer.items()}
            for i, layer in enumerate(fresh.parameters)
        )

    memory = checkpoint.restored(fresh.memory, "memory")
    return TrainingState(
        Snapshot(parameters("parameters"), memory, checkpoint.count("updates")),
        checkpoint.count("epoch"),
        float(numbers["best_loss"]),
        parameters("best") if any(path.startswith("best/") for path in checkpoint.arrays) else None,
        checkpoint.count("best_epoch"),
        checkpoint.count("waited"),
        float(numbers["seconds"]),
    )


def by_name(parameters: tuple[dict[str, NDArray[Any]], ...]) -> dict[str, NDArray[Any]]:
    """Return parameters by layer as `W_0`, `b_0`, `W_1`, …"""
    return {f"{name}_{i}": array for i, layer in enumerate(parameters) for name, array in layer.items()}


def in_float64(parameters: tuple[dict[str, NDArray[Any]], ...]) -> tuple[dict[str, NDArray[np.float64]], ...]:
    """Return parameters as a backend takes them; every narrower type fits into float64 exactly."""
    return tuple({name: array.astype(np.float64) for name, array in layer.items()} for layer in parameters)
