"""Training: epochs of updates on some backend, measured, logged, checkpointed and stopped in time."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from pcsim.learning.metrics import number_correct
from pcsim.learning.samples import Samples, Split, batches
from pcsim.learning.schedules import Schedule
from pcsim.learning.trainer import Snapshot, Trainer, Updates
from pcsim.trace.training import EpochBlock, UpdateBlock

FIRST_STRETCH = 16
SECONDS = 0.5
"""Aimed at between two looks at the user's wishes."""


@dataclass(frozen=True)
class Course:
    """How long and in what order a learner learns.

    `seed` orders the samples of every epoch anew, None leaves them as they are; `patience` is the number of epochs
    without a smaller loss on the validation samples (the test samples where there are none) that ends training, and
    the parameters of the best are restored; `checkpoint` the number of epochs between checkpoints.
    """

    schedule: Schedule
    epochs: int
    batch: int
    seed: int | None
    patience: int | None
    checkpoint: int
    classifies: bool

    def updates_per_epoch(self, samples: int) -> int:
        """Return how many whole batches there are in so many samples."""
        return samples // self.batch


@dataclass(frozen=True)
class Standing:
    """Where training stands between two epochs: enough to go on from there to the bit."""

    snapshot: Snapshot
    epoch: int = 0
    best_loss: float = np.inf
    best: tuple[dict[str, NDArray[Any]], ...] | None = None
    waited: int = 0
    seconds: float = 0.0


@runtime_checkable
class Log(Protocol):
    """Where a training run reports to."""

    def updates(self, block: UpdateBlock) -> None:
        """Note consecutive updates."""
        ...

    def epoch(self, block: EpochBlock) -> None:
        """Note the measures of an epoch."""
        ...

    def checkpoint(self, standing: Standing) -> None:
        """Keep where training stands."""
        ...


@dataclass(frozen=True)
class Trained:
    """How training ended: the parameters, and a sentence if it failed."""

    parameters: tuple[dict[str, NDArray[Any]], ...]
    epochs: int
    updates: int
    seconds: float
    stopped_early: bool = False
    interrupted: bool = False
    failure: str | None = None
    silent: tuple[int, ...] = field(default=())
    """Layers that had no signal in any update of the last epoch."""


class Training:
    """A training run on its way, from a standing if one is given; `poll(update)` may ask to stop."""

    def __init__(
        self,
        course: Course,
        samples: Samples,
        trainer: Trainer,
        log: Log,
        poll: Callable[[int], bool],
        start: Standing | None,
    ) -> None:
        self._course, self._samples, self._trainer, self._log, self._poll = course, samples, trainer, log, poll
        self._per_epoch = course.updates_per_epoch(len(samples.train.x))
        self._total = course.epochs * self._per_epoch
        self._standing = Standing(trainer.snapshot()) if start is None else start
        trainer.restore(self._standing.snapshot)
        self._began = time.perf_counter() - self._standing.seconds
        self._stretch = FIRST_STRETCH

    def run(self) -> Trained:
        """Go through the epochs that are left."""
        course, stopped_early = self._course, False
        for epoch in range(self._standing.epoch + 1, course.epochs + 1):
            parts, failure, interrupted = self._epoch(epoch)
            if failure is not None or interrupted:
                return self._end(epoch - 1, parts, failure=failure, interrupted=interrupted)
            loss = self._measure(epoch, parts)
            stopped_early = self._note_best(epoch, loss)
            last = epoch == course.epochs or stopped_early
            if last or epoch % course.checkpoint == 0:
                self._log.checkpoint(self._standing)
            if last:
                return self._end(epoch, parts, stopped_early=stopped_early)
        return self._end(course.epochs, [])

    def _epoch(self, epoch: int) -> tuple[list[Updates], str | None, bool]:
        """Go through the updates of an epoch; return what they left, a failure, and whether the user asked to stop."""
        order = batches(len(self._samples.train.x), self._course.batch, self._course.seed, epoch)
        parts: list[Updates] = []
        first = 0
        while first < len(order):
            begin = time.perf_counter()
            chosen = order[first : first + self._stretch]
            numbers = np.arange(len(chosen)) + (epoch - 1) * self._per_epoch + first + 1
            rates = np.array([self._course.schedule.rate(int(k), self._total) for k in numbers])
            updates = self._trainer.run(chosen, rates)
            parts.append(updates)
            self._log.updates(UpdateBlock(numbers, updates.energy, updates.loss))
            failure = _divergence(numbers, updates, epoch)
            if failure is not None:
                return parts, failure, False
            first += len(chosen)
            pace = (time.perf_counter() - begin) / len(chosen)
            self._stretch = max(1, int(SECONDS / max(pace, 1e-9)))
            if self._poll(int(numbers[-1])) and int(numbers[-1]) < self._total:
                return parts, None, True
        return parts, None, False

    def _measure(self, epoch: int, parts: list[Updates]) -> float:
        """Note what the epoch came to; return the loss that early stopping goes by."""
        order = batches(len(self._samples.train.x), self._course.batch, self._course.seed, epoch)
        outputs = np.concatenate([part.outputs for part in parts])
        train_loss = float(np.mean(np.concatenate([part.loss for part in parts])))
        right = number_correct(outputs.reshape(-1, outputs.shape[-1]), self._samples.train.y[order.reshape(-1)])
        validation, test = (self._evaluated(part) for part in (self._samples.validation, self._samples.test))
        rate = self._course.schedule.rate(epoch * self._per_epoch, self._total)
        self._log.epoch(
            EpochBlock(
                np.array([epoch]),
                train_loss=np.array([train_loss]),
                train_accuracy=self._accuracy(right / order.size),
                learning_rate=np.array([rate]),
                wall_seconds=np.array([time.perf_counter() - self._began]),
                test_loss=np.array([test[0]]),
                test_accuracy=self._accuracy(test[1]),
                validation_loss=np.array([validation[0]]),
                validation_accuracy=self._accuracy(validation[1]),
            )
        )
        return validation[0] if self._samples.validation is not None else test[0]

    def _evaluated(self, split: Split | None) -> tuple[float, float]:
        if split is None:
            return np.nan, np.nan
        outcome = self._trainer.evaluate(split.x, split.y)
        return float(outcome.losses.mean()), number_correct(outcome.outputs, split.y) / len(split.x)

    def _accuracy(self, share: float) -> NDArray[np.float64]:
        return np.array([share if self._course.classifies else np.nan])

    def _note_best(self, epoch: int, loss: float) -> bool:
        """Move the standing to the end of this epoch; return whether patience has run out."""
        before, snapshot = self._standing, self._trainer.snapshot()
        now = replace(before, snapshot=snapshot, epoch=epoch, seconds=time.perf_counter() - self._began)
        if self._course.patience is None:
            self._standing = now
            return False
        if loss < before.best_loss:
            self._standing = replace(now, best_loss=loss, best=snapshot.parameters, waited=0)
        else:
            self._standing = replace(now, waited=before.waited + 1)
        return self._standing.waited >= self._course.patience

    def _end(
        self,
        epochs: int,
        parts: list[Updates],
        *,
        stopped_early: bool = False,
        interrupted: bool = False,
        failure: str | None = None,
    ) -> Trained:
        """Return how training ended, with the best parameters where early stopping kept any."""
        snapshot = self._trainer.snapshot()
        finished = not interrupted and failure is None
        best = self._standing.best if finished else None
        silent = () if not parts else np.flatnonzero(~np.concatenate([part.signal for part in parts]).any(axis=0))
        return Trained(
            snapshot.parameters if best is None else best,
            epochs,
            snapshot.updates,
            time.perf_counter() - self._began,
            stopped_early,
            interrupted,
            failure,
            tuple(int(i) for i in silent),
        )


def _divergence(numbers: NDArray[np.int64], updates: Updates, epoch: int) -> str | None:
    """Return a line that names update, epoch and layer where a loss or an energy is not finite."""
    finite = np.isfinite(np.column_stack([updates.energy, updates.loss]))
    if finite.all():
        return None
    row = int(np.flatnonzero(~finite.all(axis=1))[0])
    layers = updates.energy.shape[1]
    layer = int(np.flatnonzero(~finite[row])[-1])
    name = f"energy of layer {layer}" if layer < layers - 1 else "loss"
    return (
        f"training diverged: the {name} is not finite at update {numbers[row]} (epoch {epoch}); use a smaller "
        "learning.lr or inference.step_size, or learning.clip"
    )
