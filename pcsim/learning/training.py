"""Training: epochs of updates on some backend, measured, logged, checkpointed and stopped in time."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from pcsim.learning.diagnosis import Diagnosis
from pcsim.learning.evaluation import ForwardPass
from pcsim.learning.metrics import UNMEASURED, Measures, measures_of
from pcsim.learning.plan import SAMPLES_LOOKED_AT, TrainingPlan
from pcsim.learning.progress import Log, TrainingResult, TrainingState
from pcsim.learning.samples import DataParts, Order, Split, order_of
from pcsim.learning.trainer import AdjustableTrainer, Trainer, Updates
from pcsim.trace.training import EpochBlock, EvaluationBlock, UpdateBlock
from pcsim.typing import NDArray

FIRST_STRETCH = 16
SECONDS = 0.5
"""Aimed at between two looks at the user's wishes."""


class Training:
    """A training run on its way, from a state if one is given; `poll(update)` may ask to stop."""

    def __init__(
        self,
        plan: TrainingPlan,
        samples: DataParts,
        trainer: Trainer,
        log: Log,
        poll: Callable[[int], bool],
        start: TrainingState | None,
    ) -> None:
        self._plan, self._samples, self._trainer, self._log, self._poll = plan, samples, trainer, log, poll
        self._per_epoch = plan.updates_per_epoch(len(samples.train.x))
        self._total = plan.epochs * self._per_epoch
        self._state = TrainingState(trainer.snapshot()) if start is None else start
        trainer.restore(self._state.snapshot)
        self._began = time.perf_counter() - self._state.seconds
        self._stretch = FIRST_STRETCH
        self._step_size = np.nan

    def run(self) -> TrainingResult:
        """Go through the epochs that are left."""
        plan, begun_at, parts = self._plan, self._state.epoch, list[Updates]()
        while not self._is_over:
            epoch = self._state.epoch + 1
            self._find_step_size(self._order(epoch).stretch(0, 1)[0])
            diagnosis = self._diagnose(epoch)
            parts, failure, interrupted = self._epoch(epoch)
            if failure is not None:
                return self._end(parts, failure=failure)
            if sum(len(part.loss) for part in parts) == self._per_epoch:
                self._state = self._after(epoch, self._measure(epoch, parts, diagnosis))
            # What was learned since the last checkpoint is not lost to an interruption.
            if self._state.epoch > begun_at and (
                interrupted or self._is_over or self._state.epoch % plan.checkpoint == 0
            ):
                self._log.checkpoint(self._state)
            if interrupted and not self._is_over:
                return self._end(parts, interrupted=True)
        return self._end(parts)

    @property
    def _is_over(self) -> bool:
        return self._state.epoch == self._plan.epochs or self._patience_is_out or self._log.ended

    @property
    def _patience_is_out(self) -> bool:
        return self._plan.patience is not None and self._state.waited >= self._plan.patience

    def _order(self, epoch: int) -> Order:
        plan = self._plan
        return order_of(len(self._samples.train.x), plan.batch, plan.seed, epoch, drop_last=plan.drop_last)

    def _diagnose(self, epoch: int) -> Diagnosis:
        """Return what the first update of an epoch is going to do."""
        rate = self._plan.schedule.rate((epoch - 1) * self._per_epoch + 1, self._total)
        return self._trainer.diagnose(self._order(epoch).stretch(0, 1)[0], rate)

    def _find_step_size(self, batch: NDArray[np.int64]) -> None:
        """Find the step size of inference anew, where it is not given.

        Curvature grows fastest while weights are fresh: it is looked at in updates 1, 2, 4, 8, … and in the first of
        every epoch. Where it is not finite training is about to diverge, and says so itself.
        """
        finder = self._plan.step_size_finder
        if finder is None or not isinstance(self._trainer, AdjustableTrainer):
            return
        train, rows = self._samples.train, batch[:SAMPLES_LOOKED_AT]
        found = finder.step_size(self._trainer.snapshot().parameters, train.x[rows], train.y[rows])
        if np.isfinite(found):
            self._step_size = found
            self._trainer.set_step_size(found)

    def _updates_to_next_stop(self, number: int) -> int:
        """Return the updates from this one up to the next that finds the step size anew or is evaluated after."""
        search = self._total if self._plan.step_size_finder is None else (1 << number.bit_length()) - number
        every = self._plan.evaluate or self._total
        return min(search, every - (number - 1) % every)

    def _epoch(self, epoch: int) -> tuple[list[Updates], str | None, bool]:
        """Go through the updates of an epoch; return what they left, a failure, and whether the user asked to stop."""
        order = self._order(epoch)
        parts: list[Updates] = []
        first = 0
        while first < len(order):
            begin = time.perf_counter()
            number = (epoch - 1) * self._per_epoch + first + 1
            if first > 0 and _is_power_of_two(number):
                self._find_step_size(order.stretch(first, 1)[0])
            chosen = order.stretch(first, min(self._stretch, self._updates_to_next_stop(number)))
            numbers = np.arange(len(chosen)) + (epoch - 1) * self._per_epoch + first + 1
            rates = np.array([self._plan.schedule.rate(int(k), self._total) for k in numbers])
            updates = self._trainer.run(chosen, rates)
            parts.append(updates)
            wrong = _first_divergence(updates)
            rows = slice(None if wrong is None else wrong + 1)
            self._log.updates(UpdateBlock(numbers[rows], updates.energy[rows], updates.loss[rows], updates.steps[rows]))
            if wrong is not None:
                return parts, self._divergence(int(numbers[wrong]), epoch, updates.energy[wrong]), False
            first += len(chosen)
            pace = (time.perf_counter() - begin) / len(chosen)
            self._stretch = max(1, int(SECONDS / max(pace, 1e-9)))
            self._evaluate_after(int(numbers[-1]))
            if self._poll(int(numbers[-1])):
                return parts, None, True
        return parts, None, False

    def _divergence(self, update: int, epoch: int, energy: NDArray[np.float64]) -> str:
        """Return a line with update, epoch, the layer nearest to the input whose energy is not finite, and advice."""
        wrong, output = np.flatnonzero(~np.isfinite(energy)), len(energy) - 1
        layer = int(wrong[0]) if wrong.size else output
        name = "loss" if not wrong.size else "energy of the output" if layer == output else f"energy of layer {layer}"
        advice = self._plan.advice.at_once if update == 1 else self._plan.advice.later
        return f"training diverged: the {name} is not finite at update {update} (epoch {epoch}); {advice}"

    def _evaluate_after(self, update: int) -> None:
        """Note how good the weights are after an update, where that is asked for."""
        if self._plan.evaluate is None or update % self._plan.evaluate:
            return
        validation, test = self._evaluated(self._samples.validation), self._evaluated(self._samples.test)
        values = (update, test.loss, test.accuracy, validation.loss, validation.accuracy)
        self._log.evaluation(EvaluationBlock(*(np.array([value]) for value in values)))

    def _measure(self, epoch: int, parts: list[Updates], diagnosis: Diagnosis) -> float:
        """Note what the epoch came to; return what early stopping goes by, smaller is better."""
        measured = {
            "train": self._learned(epoch, parts),
            "validation": self._evaluated(self._samples.validation),
            "test": self._evaluated(self._samples.test),
        }
        rows = {
            f"{part}_{name}": np.array([value])
            for part, measures in measured.items()
            for name, value in measures._asdict().items()
        }
        alignment = diagnosis.alignment
        self._log.epoch(
            EpochBlock(
                np.array([epoch]),
                learning_rate=np.array([self._plan.schedule.rate(epoch * self._per_epoch, self._total)]),
                wall_seconds=np.array([time.perf_counter() - self._began]),
                step_size=np.array([self._step_size]),
                update_ratio=diagnosis.update_ratio[None],
                cosine=None if alignment is None else alignment.cosine[None],
                norm_ratio=None if alignment is None else alignment.norm_ratio[None],
                **rows,
            )
        )
        decisive = measured["test" if self._samples.validation is None else "validation"]
        return -decisive.accuracy if self._plan.by_accuracy else decisive.loss

    def _learned(self, epoch: int, parts: list[Updates]) -> Measures:
        """Return what the epoch's updates measured; where outputs are not the answers, these are asked for now."""
        train, losses = self._samples.train, np.concatenate([part.loss for part in parts])
        # A short batch counts for as many samples as it has.
        sizes = np.concatenate([np.full(len(part.loss), part.outputs.shape[1] / self._plan.batch) for part in parts])
        losses = losses * (sizes / sizes.mean())
        if self._plan.classes and not isinstance(self._plan.evaluation, ForwardPass):
            return self._evaluated(train)._replace(loss=float(np.mean(losses)))
        answers = np.concatenate([part.outputs.reshape(-1, part.outputs.shape[-1]) for part in parts])
        targets = train.y[self._order(epoch).numbers]
        return measures_of(losses, answers, targets, self._plan.classes, self._plan.boundary)

    def _evaluated(self, split: Split | None) -> Measures:
        if split is None:
            return UNMEASURED
        truth = self._plan.evaluation.truth(split.x, split.y)
        outcome = self._trainer.evaluate(split.x, split.y)
        return measures_of(*outcome, truth, self._plan.classes, self._plan.boundary)

    def _after(self, epoch: int, score: float) -> TrainingState:
        """Return the state at the end of this epoch."""
        before, snapshot = self._state, self._trainer.snapshot()
        now = replace(before, snapshot=snapshot, epoch=epoch, seconds=time.perf_counter() - self._began)
        if self._plan.patience is None:
            return now
        if score < before.best_score:
            return replace(now, best_score=score, best=snapshot.parameters, best_epoch=epoch, waited=0)
        return replace(now, waited=before.waited + 1)

    def _end(self, parts: list[Updates], *, interrupted: bool = False, failure: str | None = None) -> TrainingResult:
        """Return how training ended, with the best parameters where early stopping kept any."""
        snapshot, state = self._trainer.snapshot(), self._state
        finished = not interrupted and failure is None
        best = state.best if finished else None
        silent = () if not parts else np.flatnonzero(~np.concatenate([part.signal for part in parts]).any(axis=0))
        return TrainingResult(
            snapshot.parameters if best is None else best,
            state.epoch,
            state.epoch if best is None else state.best_epoch,
            snapshot.updates,
            time.perf_counter() - self._began,
            finished and self._patience_is_out and state.epoch < self._plan.epochs,
            interrupted,
            failure,
            tuple(int(i) for i in silent),
        )


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0


def _first_divergence(updates: Updates) -> int | None:
    """Return the first row in which a loss or an energy is not finite, if there is one."""
    rows = np.flatnonzero(~np.isfinite(np.column_stack([updates.energy, updates.loss])).all(axis=1))
    return int(rows[0]) if rows.size else None
