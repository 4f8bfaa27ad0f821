"""What a training run records in the group /training: rows along two clocks of its own, `update` and `epoch`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim.trace.stream import Stream

GROUP = "training"
UPDATE = f"{GROUP}/update"
EPOCH = f"{GROUP}/epoch"

MEASURES = ("train_loss", "test_loss", "train_accuracy", "test_accuracy", "learning_rate", "wall_seconds")
VALIDATION = ("validation_loss", "validation_accuracy")


@dataclass(frozen=True)
class Training:
    """What training is going to record."""

    updates: int | None
    """Rows expected along `update`, None where unknown: decides only the size estimate and the chunks."""
    epochs: int | None
    """Rows expected along `epoch`, likewise."""
    validation: bool = False
    """Whether there is a validation split to measure on."""


@dataclass(frozen=True)
class UpdateBlock:
    """R consecutive recorded updates."""

    update: NDArray[np.integer]
    """(R,) numbers of the updates, ascending."""
    energy: NDArray[np.float64]
    """(R, layer) batch means."""
    loss: NDArray[np.float64]
    """(R,) batch means."""

    def array(self, path: str) -> NDArray[Any]:
        """Return the array for the stream at `path`."""
        return getattr(self, path.removeprefix(f"{GROUP}/"))


@dataclass(frozen=True)
class EpochBlock:
    """R consecutive epochs; each array is (R,), what was not measured is None and NaN in the trace."""

    epoch: NDArray[np.integer]
    """Numbers of the epochs, ascending."""
    train_loss: NDArray[np.float64] | None = None
    test_loss: NDArray[np.float64] | None = None
    train_accuracy: NDArray[np.float64] | None = None
    test_accuracy: NDArray[np.float64] | None = None
    learning_rate: NDArray[np.float64] | None = None
    wall_seconds: NDArray[np.float64] | None = None
    validation_loss: NDArray[np.float64] | None = None
    validation_accuracy: NDArray[np.float64] | None = None

    def array(self, path: str) -> NDArray[Any]:
        """Return the array for the stream at `path`."""
        values = getattr(self, path.removeprefix(f"{GROUP}/"))
        return np.full(self.epoch.shape, np.nan) if values is None else values


def training_streams(training: Training, layers: int) -> list[Stream]:
    """Return the datasets that grow with training; each clock comes after those that follow it."""
    count, wide = np.dtype(np.int64), np.dtype(np.float64)
    measures = MEASURES + (VALIDATION if training.validation else ())
    return [
        Stream(f"{GROUP}/energy", (UPDATE, "layer"), (layers,), wide, training.updates),
        Stream(f"{GROUP}/loss", (UPDATE,), (), wide, training.updates),
        Stream(UPDATE, (UPDATE,), (), count, training.updates),
        *(Stream(f"{GROUP}/{name}", (EPOCH,), (), wide, training.epochs) for name in measures),
        Stream(EPOCH, (EPOCH,), (), count, training.epochs),
    ]
