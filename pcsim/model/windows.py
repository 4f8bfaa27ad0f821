"""Windows of images (height, width, channels), and where they lie.

Indices are of positions, counted row by row; the number one beyond the last position stands for padding, which is zero.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64

from pcsim.typing import NDArray

Image = tuple[int, int]
"""Height and width."""


class Window(NamedTuple):
    """Square windows: their size, the distance from one to the next, and the width of zeros around the image."""

    size: int
    stride: int = 1
    padding: int = 0

    def places(self, image: Image) -> Image:
        """Return how many windows there are, in height and width."""
        rows, columns = ((length + 2 * self.padding - self.size) // self.stride + 1 for length in image)
        return rows, columns


@cache
def windows(window: Window, image: Image) -> Int64[NDArray[np.int64], "places taps"]:
    """Return the position that every tap of every window reads."""
    height, width = image
    rows, columns = window.places(image)
    grid = np.full((height + 2 * window.padding, width + 2 * window.padding), height * width, dtype=np.int64)
    inside = slice(window.padding, window.padding + height), slice(window.padding, window.padding + width)
    grid[inside] = np.arange(height * width).reshape(image)
    taps = range(window.size)
    ends = (window.stride * (rows - 1) + 1, window.stride * (columns - 1) + 1)
    found = [grid[a : a + ends[0] : window.stride, b : b + ends[1] : window.stride].ravel() for a in taps for b in taps]
    return np.stack(found, axis=1)


@cache
def readers(window: Window, image: Image) -> Int64[NDArray[np.int64], "positions taps"]:
    """Return, for every position and tap, the window that reads the position there; one beyond the last for none."""
    index = windows(window, image)
    found = np.full((image[0] * image[1] + 1, index.shape[1]), len(index), dtype=np.int64)
    found[index, np.arange(index.shape[1])] = np.arange(len(index))[:, None]
    return found[:-1]
