"""What a study comes to: arrays with named dimensions, and what each means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pcsim.typing import NDArray


@dataclass(frozen=True)
class Measured:
    """An array of numbers or texts with a name for each axis; one along its own name alone is a coordinate.

    `meaning` says in one line what it is, `unit` in what, `source` which equation or figure it comes from.
    """

    values: NDArray[Any]
    dims: tuple[str, ...]
    meaning: str
    unit: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        if self.values.ndim != len(self.dims):
            raise ValueError(f"{self.meaning}: {self.values.ndim} axes and the names {self.dims}")


Results: TypeAlias = Mapping[str, Measured]
"""The arrays of a study by name."""


def at_the_end(results: Results, name: str) -> NDArray[np.float64]:
    """Return a measure of training, (runs,), at the last epoch of every run: the last that has a training loss.

    NaN where the measure has none there, or no epoch came to its end: only what is beyond the last epoch is padding.
    """
    reached = np.isfinite(results["train_loss"].values)
    if not reached.shape[1]:
        return np.full(len(reached), np.nan)
    last = reached.shape[1] - 1 - np.argmax(reached[:, ::-1], axis=1)
    values: NDArray[np.float64] = results[name].values[np.arange(len(last)), last]
    return np.where(reached.any(axis=1), values, np.nan)


def padded(rows: list[NDArray[Any]]) -> NDArray[np.float64]:
    """Return arrays of the same number of axes stacked along a new first one, shorter ones filled up with NaN."""
    shape = tuple(max(row.shape[axis] for row in rows) for axis in range(rows[0].ndim))
    stacked = np.full((len(rows), *shape), np.nan)
    for i, row in enumerate(rows):
        stacked[(i, *map(slice, row.shape))] = row
    return stacked


def unpadded(row: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a padded row up to its last number; a NaN before that stays."""
    return row[: row.size - int(np.argmax(~np.isnan(row[::-1])))]
