"""The samples of a training run: what is learned from, what is held out, what is only tested on."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int64

from pcsim.errors import UsageError
from pcsim.learning.pixels import Samples, part_of
from pcsim.typing import NDArray


class Split(NamedTuple):
    """Inputs (samples, *input_shape) and targets (samples, n_out) of one part of the data."""

    x: Samples
    y: Float64[NDArray[np.float64], "samples n_out"]

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Return some of the samples."""
        return Split(part_of(self.x, rows), self.y[rows])


class DataParts(NamedTuple):
    """All parts of a data set; `validation` and `test` are None where there are none."""

    train: Split
    validation: Split | None
    test: Split | None


def held_out(samples: int, share: float, seed: int) -> NDArray[np.int64]:
    """Return a random share of the training samples by their numbers, for validation.

    It is drawn from the seed, whatever the order of training. Raises `UsageError` where nothing is left.
    """
    held = round(share * samples)
    if share > 0.0 and not 0 < held < samples:
        raise UsageError(
            f"data.validation = {share:g} of {samples} training samples leaves {samples - held} to learn from and "
            f"{held} to validate on; both must be at least 1"
        )
    return np.sort(np.random.default_rng([seed, 4]).permutation(samples)[:held])


def learned_rows(samples: int, share: float, seed: int) -> NDArray[np.int64]:
    """Return the numbers of the training samples without those that are `held_out`, ascending."""
    return np.setdiff1d(np.arange(samples), held_out(samples, share, seed))


def hold_out(train: Split, share: float, seed: int) -> tuple[Split, Split | None]:
    """Return the training samples that are learned from, and those held out; raises as `held_out` does."""
    rows = held_out(len(train.x), share, seed)
    if not rows.size:
        return train, None
    return train.take(learned_rows(len(train.x), share, seed)), train.take(rows)


@dataclass(frozen=True)
class Order:
    """The order in which an epoch takes the samples, by their numbers; the last batch may be short."""

    numbers: Int64[NDArray[np.int64], " samples"]
    batch: int

    def __len__(self) -> int:
        """Return the number of updates."""
        return len(range(0, len(self.numbers), self.batch))

    def stretch(self, first: int, count: int) -> Int64[NDArray[np.int64], "updates batch"]:
        """Return the sample numbers of up to `count` updates from the `first` on, counted from 0, all of one size."""
        whole = len(self.numbers) // self.batch
        if first >= whole:
            return self.numbers[first * self.batch :][None]
        return self.numbers[first * self.batch : min(first + count, whole) * self.batch].reshape(-1, self.batch)


def order_of(samples: int, batch: int, seed: int | None, epoch: int, *, drop_last: bool = True) -> Order:
    """Return the order of an epoch, drawn from the seed; without one it is that of the data.

    What fills no batch waits for the next epoch's order where the last is dropped. Raises `UsageError` for a batch
    larger than the data.
    """
    if batch > samples:
        raise UsageError(f"learning.batch = {batch}, but there are {samples} training samples; use {samples} or fewer")
    order = np.arange(samples) if seed is None else np.random.default_rng([seed, 3, epoch]).permutation(samples)
    return Order(order[: samples // batch * batch] if drop_last else order, batch)
