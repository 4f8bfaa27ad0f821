"""Images that are seen a little differently in every update: mirrored and shifted at random."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Integer, Shaped

from pcsim.model.arrays import Array, Namespace


class Moves(NamedTuple):
    """Where every pixel of a batch comes from: its sample, row and column; −1 is beyond the image."""

    sample: Integer[Array, "*updates batch 1 1"]
    row: Integer[Array, "*updates batch h 1"]
    column: Integer[Array, "*updates batch 1 w"]


@dataclass(frozen=True)
class Augmentation:
    """Mirrors every second image from left to right, and shifts all by up to `crop` pixels each way, both at random.

    That is a random window of the image's own size from the image with `crop` pixels of `black` around it, (channels,)
    as networks see it. What is drawn depends on the seed and the number of the update alone.
    """

    flip: bool
    crop: int
    seed: int
    black: tuple[float, ...]

    def moves(self, update: int, batch: int, image: tuple[int, ...]) -> Moves:
        """Return what becomes of a batch of images of a height and width in an update, numbered from 1."""
        random = np.random.default_rng([self.seed, 7, update])
        mirrored = random.integers(2, size=(batch, 1)) * int(self.flip)
        down, right = random.integers(-self.crop, self.crop, endpoint=True, size=(2, batch, 1))
        height, width = image
        row, column = np.arange(height) + down, np.arange(width)
        column = np.where(mirrored, width - 1 - column, column) + right
        row[(row < 0) | (row >= height)] = -1
        column[(column < 0) | (column >= width)] = -1
        sample = np.arange(batch)[:, None, None]
        return Moves(*(places.astype(np.int32) for places in (sample, row[:, :, None], column[:, None, :])))


def moved(
    xp: Namespace, images: Shaped[Array, "batch h w c"], moves: Moves, black: Shaped[Array, " c"]
) -> Shaped[Array, "batch h w c"]:
    """Return images with every pixel taken from where it is to come from."""
    # What is beyond reads the last row or column, and is not used.
    found = images[moves.sample, moves.row, moves.column]
    inside = (moves.row >= 0) & (moves.column >= 0)
    return xp.where(inside[..., None], found, black)
