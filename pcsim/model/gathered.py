"""Convolutions for array libraries that have none: gathered windows times a matrix."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import reduce
from operator import add

import numpy as np
from jaxtyping import Shaped

from pcsim.model.arrays import Array
from pcsim.model.windows import Image, Window, readers, windows
from pcsim.typing import NDArray

MOST_GATHERED = 2**23
"""Numbers in the windows of some samples at most, unless one sample alone has more: 32 MB in float32."""


class Gathered(ABC):
    """Convolutions of images (batch, height, width, channels) by products of matrices."""

    @abstractmethod
    def concatenate(self, arrays: Sequence[Array], /, *, axis: int) -> Array:
        """Put arrays together along an axis."""

    @abstractmethod
    def gather(self, x: Array, index: NDArray[np.int64], /) -> Array:
        """Return positions of x (batch, positions, channels): (batch, *index.shape, channels), zeros beyond."""

    def convolve(
        self, s: Shaped[Array, "batch h w c"], kernel: Shaped[Array, "k k c out"], window: Window, /
    ) -> Shaped[Array, "batch rows columns out"]:
        """Return what every window makes of s."""
        places, matrix = window.places(s.shape[1:3]), kernel.reshape(-1, kernel.shape[3])
        index = windows(window, s.shape[1:3])
        found = [_patches(self, s[rows], index) @ matrix for rows in _blocks(s, index)]
        return _joined(self, found).reshape(s.shape[0], *places, kernel.shape[3])

    def convolve_adjoint(
        self,
        v: Shaped[Array, "batch rows columns out"],
        kernel: Shaped[Array, "k k c out"],
        window: Window,
        image: Image,
        /,
    ) -> Shaped[Array, "batch h w c"]:
        """Return the transpose of `convolve` applied to v, for an image of this height and width."""
        index, matrix = readers(window, image), kernel.swapaxes(2, 3).reshape(-1, kernel.shape[2])
        found = [_patches(self, v[rows], index) @ matrix for rows in _blocks(v, index)]
        return _joined(self, found).reshape(v.shape[0], *image, kernel.shape[2])

    def convolve_gradient(
        self, s: Shaped[Array, "batch h w c"], v: Shaped[Array, "batch rows columns out"], window: Window, /
    ) -> Shaped[Array, "k k c out"]:
        """Return the gradient of vᵀ convolve(s, kernel) with respect to the kernel, summed over the batch."""
        index = windows(window, s.shape[1:3])
        found = [_patches(self, s[rows], index).T @ v[rows].reshape(-1, v.shape[3]) for rows in _blocks(s, index)]
        return reduce(add, found).reshape(window.size, window.size, s.shape[3], v.shape[3])


def _blocks(x: Array, index: NDArray[np.int64]) -> list[slice]:
    """Return so many samples at a time as the windows of take room for."""
    size = max(1, MOST_GATHERED // (index.size * x.shape[3]))
    return [slice(first, first + size) for first in range(0, x.shape[0], size)]


def _patches(xp: Gathered, x: Array, index: NDArray[np.int64]) -> Shaped[Array, "rows entries"]:
    """Return the channels of all taps as one row a sample and place."""
    batch, height, width, channels = x.shape
    found = xp.gather(x.reshape(batch, height * width, channels), index)
    return found.reshape(batch * len(index), index.shape[1] * channels)


def _joined(xp: Gathered, blocks: Sequence[Array]) -> Array:
    return blocks[0] if len(blocks) == 1 else xp.concatenate(blocks, axis=0)
