"""What a study comes to: arrays with named dimensions, and what each means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


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


def padded(rows: list[NDArray[Any]]) -> NDArray[np.float64]:
    """Return arrays of the same number of axes stacked along a new first one, shorter ones filled up with NaN."""
    shape = tuple(max(row.shape[axis] for row in rows) for axis in range(rows[0].ndim))
    stacked = np.full((len(rows), *shape), np.nan)
    for i, row in enumerate(rows):
        stacked[(i, *map(slice, row.shape))] = row
    return stacked
