"""How a learner learns: how long, in what order, and with which step sizes of inference."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from pcsim.learning.evaluation import ForwardPass, Scoring
from pcsim.learning.schedules import Schedule
from pcsim.typing import NDArray

SAMPLES_LOOKED_AT = 16
"""Samples of a batch that an automatic step size is found on."""


@runtime_checkable
class StepSizeFinder(Protocol):
    """What finds a step size of inference that suits the weights."""

    def step_size(
        self, parameters: Sequence[Mapping[str, NDArray[Any]]], x: NDArray[np.float64], y: NDArray[np.float64]
    ) -> float:
        """Return the step size for some samples, NaN where there is none."""
        ...


class Advice(NamedTuple):
    """What to do where training diverges: in the first update, before any weight has moved, and in a later one."""

    at_once: str
    later: str


@dataclass(frozen=True)
class TrainingPlan:
    """How long and in what order a learner learns.

    `seed` orders the samples of every epoch anew, None leaves them as they are; `patience` is the number of epochs
    without a smaller loss (a larger accuracy, `by_accuracy`) on the validation samples (the test samples where there
    are none) that ends training, and the parameters of the best are restored; `evaluate` the number of updates after
    which these samples are measured within epochs, too; `checkpoint` the number of epochs between checkpoints;
    `classes` how many classes there are to tell apart, 0 where targets are none, and `boundary` the output above which
    one unit alone says the second of two; `step_size_finder` finds the step size of inference, None where it is given.
    `advice` is said where training diverges.
    Samples that fill no batch are an update of their own unless the last batch is dropped (`drop_last`).
    """

    schedule: Schedule
    epochs: int
    batch: int
    seed: int | None
    patience: int | None
    checkpoint: int
    classes: int
    advice: Advice
    evaluation: Scoring = field(default_factory=ForwardPass)
    step_size_finder: StepSizeFinder | None = None
    boundary: float = 0.0
    drop_last: bool = True
    by_accuracy: bool = False
    evaluate: int | None = None

    def updates_per_epoch(self, samples: int) -> int:
        """Return how many batches there are in so many samples."""
        return batches_of(samples, self.batch, drop_last=self.drop_last)

    def left_over(self, samples: int) -> int:
        """Return how many of so many samples fill no batch, and are left out of every epoch."""
        return samples % self.batch if self.drop_last else 0

    def last_batch(self, samples: int) -> int:
        """Return how many samples the last batch of every epoch has, 0 where it has as many as the others."""
        return 0 if self.drop_last else samples % self.batch


def batches_of(samples: int, batch: int, *, drop_last: bool) -> int:
    """Return how many batches there are in so many samples, without or with a short one at the end."""
    return samples // batch if drop_last else len(range(0, samples, batch))
