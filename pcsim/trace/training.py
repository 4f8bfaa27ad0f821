"""What a training run records in the group /training: rows along the clocks `update`, `epoch`, `evaluation`."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from pcsim.trace.stream import Stream
from pcsim.typing import NDArray

GROUP = "training"
UPDATE = f"{GROUP}/update"
EPOCH = f"{GROUP}/epoch"
EVALUATION = f"{GROUP}/evaluation"

BY_UPDATE = ("update", "energy", "loss", "steps")
"""What follows the clock of updates."""
BY_EVALUATION = (
    "evaluation",
    "evaluated_test_loss",
    "evaluated_test_accuracy",
    "evaluated_validation_loss",
    "evaluated_validation_accuracy",
)
"""What follows the clock of evaluations between updates; everything else in the group follows that of epochs."""

MEASURES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "learning_rate", "wall_seconds")
VALIDATION = ("validation_loss", "validation_accuracy")
TOP_5 = ("train_top5", "test_top5")
ALIGNMENT = ("cosine", "norm_ratio")


@dataclass(frozen=True)
class Training:
    """What training is going to record."""

    updates: int | None
    """Rows expected along `update`, None where unknown: decides only the size estimate and the chunks."""
    epochs: int | None
    """Rows expected along `epoch`, likewise."""
    validation: bool = False
    """Whether there is a validation split to measure on."""
    top_5: bool = False
    """Whether there are so many classes that the five largest outputs say something."""
    alignment: bool = False
    """Whether gradients are compared with backpropagation's."""
    steps: bool = False
    """Whether updates differ in their steps of inference."""
    step_size: bool = False
    """Whether epochs differ in the step size of inference."""
    evaluate: int | None = None
    """Updates between two evaluations, None where epochs alone are evaluated."""


@dataclass(frozen=True)
class UpdateBlock:
    """R consecutive recorded updates."""

    update: NDArray[np.integer]
    """(R,) numbers of the updates, ascending."""
    energy: NDArray[np.float64]
    """(R, layer) batch means."""
    loss: NDArray[np.float64]
    """(R,) batch means."""
    steps: NDArray[np.int64] | None = None
    """(R,) steps of inference, where they are recorded."""

    def array(self, path: str) -> NDArray[Any]:
        """Return the array for the stream at `path`."""
        return getattr(self, path.removeprefix(f"{GROUP}/"))


@dataclass(frozen=True)
class EvaluationBlock:
    """R evaluations between updates; each array is (R,), NaN where there are no such samples."""

    evaluation: NDArray[np.integer]
    """Numbers of the updates after which they were made, ascending."""
    evaluated_test_loss: NDArray[np.float64]
    evaluated_test_accuracy: NDArray[np.float64]
    evaluated_validation_loss: NDArray[np.float64]
    evaluated_validation_accuracy: NDArray[np.float64]

    def array(self, path: str) -> NDArray[Any]:
        """Return the array for the stream at `path`."""
        return getattr(self, path.removeprefix(f"{GROUP}/"))


@dataclass(frozen=True)
class EpochBlock:
    """R consecutive epochs; each array is (R,) unless said, what was not measured is None and NaN in the trace."""

    epoch: NDArray[np.integer]
    """Numbers of the epochs, ascending."""
    update_ratio: NDArray[np.float64]
    """(R, layer) ‖ΔW‖/‖W‖ of the first update of the epoch."""
    train_loss: NDArray[np.float64] | None = None
    test_loss: NDArray[np.float64] | None = None
    train_accuracy: NDArray[np.float64] | None = None
    test_accuracy: NDArray[np.float64] | None = None
    learning_rate: NDArray[np.float64] | None = None
    wall_seconds: NDArray[np.float64] | None = None
    step_size: NDArray[np.float64] | None = None
    """Of inference, at the end of the epoch."""
    validation_loss: NDArray[np.float64] | None = None
    validation_accuracy: NDArray[np.float64] | None = None
    train_top5: NDArray[np.float64] | None = None
    test_top5: NDArray[np.float64] | None = None
    validation_top5: NDArray[np.float64] | None = None
    cosine: NDArray[np.float64] | None = None
    """(R, layer) between the weight gradients of the first update and of backpropagation."""
    norm_ratio: NDArray[np.float64] | None = None
    """(R, layer) of the same two."""

    def array(self, path: str) -> NDArray[Any]:
        """Return the array for the stream at `path`."""
        name = path.removeprefix(f"{GROUP}/")
        values = getattr(self, name)
        if values is not None:
            return values
        return np.full(self.update_ratio.shape if name in ALIGNMENT else self.epoch.shape, np.nan)


def training_streams(training: Training, layers: int) -> list[Stream]:
    """Return the datasets that grow with training; each clock comes after those that follow it."""
    count, wide = np.dtype(np.int64), np.dtype(np.float64)
    measures = MEASURES + (VALIDATION if training.validation else ())
    if training.top_5:
        measures += TOP_5 + (("validation_top5",) if training.validation else ())
    if training.step_size:
        measures += ("step_size",)
    by_layer = ("update_ratio", *(ALIGNMENT if training.alignment else ()))
    return [
        Stream(f"{GROUP}/energy", (UPDATE, "layer"), (layers,), wide, training.updates),
        Stream(f"{GROUP}/loss", (UPDATE,), (), wide, training.updates),
        *([Stream(f"{GROUP}/steps", (UPDATE,), (), count, training.updates)] if training.steps else []),
        Stream(UPDATE, (UPDATE,), (), count, training.updates),
        *(Stream(f"{GROUP}/{name}", (EPOCH,), (), wide, training.epochs) for name in measures),
        *(Stream(f"{GROUP}/{name}", (EPOCH, "layer"), (layers,), wide, training.epochs) for name in by_layer),
        Stream(EPOCH, (EPOCH,), (), count, training.epochs),
        *_evaluation_streams(training),
    ]


def _evaluation_streams(training: Training) -> list[Stream]:
    if training.evaluate is None:
        return []
    rows = None if training.updates is None else training.updates // training.evaluate
    clock, *names = BY_EVALUATION
    names = [name for name in names if training.validation or "validation" not in name]
    found = [Stream(f"{GROUP}/{name}", (EVALUATION,), (), np.dtype(np.float64), rows) for name in names]
    return [*found, Stream(f"{GROUP}/{clock}", (EVALUATION,), (), np.dtype(np.int64), rows)]
