"""Convolutions for array libraries that have none: gathered windows times a matrix."""

from abc import ABC, abstractmethod

import numpy as np
from jaxtyping import Shaped

from pcsim.model.arrays import Array
from pcsim.model.windows import Image, Window, readers, windows
from pcsim.typing import NDArray


class Gathered(ABC):
    """Convolutions of images (batch, height, width, channels) by products of matrices."""

    @abstractmethod
    def gather(self, x: Array, index: NDArray[np.int64], /) -> Array:
        """Return positions of x (batch, positions, channels): (batch, *index.shape, channels), zeros beyond."""

    def convolve(
        self, s: Shaped[Array, "batch h w c"], kernel: Shaped[Array, "k k c out"], window: Window, /
    ) -> Shaped[Array, "batch rows columns out"]:
        """Return what every window makes of s."""
        image = s.shape[1], s.shape[2]
        outputs = kernel.shape[3]
        patches = _patches(self, s, windows(window, image))
        product = patches @ kernel.reshape(-1, outputs)
        return product.reshape(s.shape[0], *window.places(image), outputs)

    def convolve_adjoint(
        self,
        v: Shaped[Array, "batch rows columns out"],
        kernel: Shaped[Array, "k k c out"],
        window: Window,
        image: Image,
        /,
    ) -> Shaped[Array, "batch h w c"]:
        """Return the transpose of `convolve` applied to v, for an image of this height and width."""
        channels = kernel.shape[2]
        patches = _patches(self, v, readers(window, image))
        product = patches @ kernel.swapaxes(2, 3).reshape(-1, channels)
        return product.reshape(v.shape[0], *image, channels)

    def convolve_gradient(
        self, s: Shaped[Array, "batch h w c"], v: Shaped[Array, "batch rows columns out"], window: Window, /
    ) -> Shaped[Array, "k k c out"]:
        """Return the gradient of vᵀ convolve(s, kernel) with respect to the kernel, summed over the batch."""
        patches = _patches(self, s, windows(window, (s.shape[1], s.shape[2])))
        product = patches.T @ v.reshape(-1, v.shape[3])
        return product.reshape(window.size, window.size, s.shape[3], v.shape[3])


def _patches(xp: Gathered, x: Array, index: NDArray[np.int64]) -> Shaped[Array, "rows entries"]:
    """Return the channels of all taps as one row a sample and place."""
    batch, height, width, channels = x.shape
    found = xp.gather(x.reshape(batch, height * width, channels), index)
    return found.reshape(batch * len(index), index.shape[1] * channels)
