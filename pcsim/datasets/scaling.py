"""From what a data set stores to the numbers that a network sees."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from jaxtyping import Float64, Shaped

Scaling: TypeAlias = Callable[[Shaped[np.ndarray, "..."]], Float64[np.ndarray, "..."]]
"""From inputs as they are stored to the float64 values a network sees."""

_AT_ONCE = 1024


def unscaled(inputs: Shaped[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
    """Return the values as they are, in float64."""
    return np.asarray(inputs, dtype=np.float64)


@dataclass(frozen=True)
class PixelScaling:
    """Maps pixel values 0 … `peak` to [0, 1] and then by (x − mean)/std, to [−1, 1] unless these are given.

    There is one mean and one std for all pixels, or one a channel, which is then the last axis.
    """

    peak: float
    mean: tuple[float, ...] = (0.5,)
    std: tuple[float, ...] = (0.5,)

    def __call__(self, inputs: Shaped[np.ndarray, "..."]) -> Float64[np.ndarray, "..."]:
        """Scale pixels of any shape; the result is float64."""
        scaled = inputs / np.float64(self.peak)
        scaled -= np.array(self.mean)
        scaled /= np.array(self.std)
        return scaled


def standardised(
    pixels: Shaped[np.ndarray, "samples *shape"], peak: float, channels: int
) -> tuple[Float64[np.ndarray, " {channels}"], Float64[np.ndarray, " {channels}"]]:
    """Return mean and standard deviation of every channel, the last axis, of pixels on [0, 1].

    Bytes are counted, some images at a time, not converted.
    """
    if pixels.dtype != np.uint8:
        values = pixels.reshape(-1, channels) / np.float64(peak)
        return values.mean(axis=0), values.std(axis=0)
    counts = np.zeros((channels, 256), np.int64)
    for first in range(0, len(pixels), _AT_ONCE):
        columns = pixels[first : first + _AT_ONCE].reshape(-1, channels).T
        counts += [np.bincount(column, minlength=256) for column in columns]
    levels, shares = np.arange(256) / peak, counts / counts.sum(axis=1, keepdims=True)
    mean = shares @ levels
    return mean, np.sqrt(((levels - mean[:, None]) ** 2 * shares).sum(axis=1))
