"""Samples that stay bytes: what a network sees in the place of each is looked up, batch by batch."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64, Integer, Shaped, UInt8

from pcsim.model.arrays import Array
from pcsim.typing import NDArray

LEVELS = 256


@dataclass(frozen=True, eq=False)
class Pixels:
    """Samples (samples, *shape) that are kept in an eighth of the memory of float64, on the host or on a device.

    A byte stands for its entry of `table`, (256,), or for the entry so many places after the pixel's own `first`
    (shape), where channels have tables of their own, one after another.
    """

    stored: UInt8[Array, "samples ..."]
    table: Shaped[Array, " levels"]
    first: Integer[Array, "..."] | None

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.stored)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of what the bytes stand for."""
        return self.stored.shape

    def __getitem__(self, rows: Any) -> Shaped[Array, "rows ..."]:
        """Return what some of the samples stand for, in the type of the table."""
        levels = self.stored[rows] if self.first is None else self.stored[rows] + self.first
        # numpy takes in half the time in which it indexes
        return self.table.take(levels) if isinstance(self.table, np.ndarray) else self.table[levels]

    def take(self, rows: NDArray[np.int64]) -> "Pixels":
        """Return some of the samples, as bytes."""
        return replace(self, stored=self.stored[rows])

    def reshape(self, samples: int, *shape: int) -> "Pixels":
        """Return the same samples in another shape."""
        first = None if self.first is None else self.first.reshape(shape)
        return replace(self, stored=self.stored.reshape(samples, *shape), first=first)

    def on(self, put: Callable[[NDArray[Any]], Array], to_run: Callable[[NDArray[Any]], Array]) -> "Pixels":
        """Return the samples elsewhere: bytes and places as they are `put`, the table as an array of the run."""
        first = None if self.first is None else put(self.first)
        return replace(self, stored=put(self.stored), table=to_run(self.table), first=first)


Samples: TypeAlias = Float64[NDArray[np.float64], "..."] | Pixels
"""Inputs to learn from, on the host: in float64, or as bytes that stand for such numbers."""


def pixels(
    stored: UInt8[NDArray[np.uint8], "samples ..."], levels: Float64[NDArray[np.float64], "256 channels"]
) -> Pixels:
    """Return samples whose bytes stand for `levels`, a column for all, or one a channel, the last axis."""
    channels = levels.shape[1]
    if channels == 1:
        return Pixels(stored, levels[:, 0], None)
    begins = LEVELS * np.arange(channels, dtype=np.min_scalar_type(LEVELS * channels))
    first = np.ascontiguousarray(np.broadcast_to(begins, stored.shape[1:]))
    return Pixels(stored, levels.T.reshape(-1), first)


def part_of(samples: Samples, rows: NDArray[np.int64]) -> Samples:
    """Return some of the samples, as they are kept."""
    return samples.take(rows) if isinstance(samples, Pixels) else samples[rows]


def whole(samples: Samples) -> Float64[NDArray[np.float64], "..."]:
    """Return all samples in float64."""
    return samples[:] if isinstance(samples, Pixels) else samples
