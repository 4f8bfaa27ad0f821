"""The samples of a training run: what is learned from, what is held out, what is only tested on."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.typing import NDArray


class Split(NamedTuple):
    """Inputs (samples, n_in) and targets (samples, n_out) of one part of the data, in float64."""

    x: Float64[NDArray[np.float64], "samples ..."]
    y: Float64[NDArray[np.float64], "samples n_out"]

    def take(self, rows: NDArray[np.int64]) -> "Split":
        """Return some of the samples."""
        return Split(self.x[rows], self.y[rows])


class DataParts(NamedTuple):
    """All parts of a data set; `validation` and `test` are None where there are none."""

    train: Split
    validation: Split | None
    test: Split | None


def hold_out(train: Split, share: float, seed: int) -> tuple[Split, Split | None]:
    """Return the training samples without a random share of them, and that share for validation.

    The share is drawn from the seed, whatever the order of training. Raises `UsageError` where nothing is left.
    """
    held = round(share * len(train.x))
    if share > 0.0 and not 0 < held < len(train.x):
        raise UsageError(
            f"data.validation = {share:g} of {len(train.x)} training samples leaves {len(train.x) - held} to learn "
            f"from and {held} to validate on; both must be at least 1"
        )
    if held == 0:
        return train, None
    order = np.random.default_rng([seed, 4]).permutation(len(train.x))
    return train.take(np.sort(order[held:])), train.take(np.sort(order[:held]))


def batches(samples: int, batch: int, seed: int | None, epoch: int) -> NDArray[np.int64]:
    """Return the sample numbers of every update of an epoch, (updates, batch), in an order of its own.

    Without a seed the order is that of the data. What is left over by the last whole batch waits for the next epoch's
    order. Raises `UsageError` for a batch larger than the data.
    """
    if batch > samples:
        raise UsageError(f"learning.batch = {batch}, but there are {samples} training samples; use {samples} or fewer")
    order = np.arange(samples) if seed is None else np.random.default_rng([seed, 3, epoch]).permutation(samples)
    updates = samples // batch
    return order[: updates * batch].reshape(updates, batch)
