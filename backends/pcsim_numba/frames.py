"""How images lie in frames, for windows or for tiles of places, and the shapes of what is made of them."""

from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from pcsim.model.arrays import Array
from pcsim.model.layers import Shape
from pcsim.model.windows import Image, Window
from pcsim.typing import NDArray
from pcsim_numba.kernels.endings import Ending
from pcsim_numba.kernels.frames import Frame
from pcsim_numba.kernels.products import lanes, padded
from pcsim_numba.kernels.winograd import READ, SIDE

AT_ONCE = 2**19
"""Bytes of the images that are worked on together, and of what is made of them: half of a core's own cache."""
TILES = 64
"""That are worked on together: enough that the weights, which are read again for them, come from memory seldom."""

Images = Shaped[Array, "batch h w c"]
Places = Shaped[Array, "batch rows columns out"]


def has_tiles(kernel: Shape, dtype: np.dtype[Any], window: Window, places: Image) -> bool:
    """Tell whether tiles make convolutions with such a kernel, and their transposes: channels fill vectors."""
    full = all(n % lanes(dtype) == 0 for n in kernel[2:])
    return full and window.size == 3 and window.stride == 1 and window.padding <= 2 and min(places) > SIDE // 2


def ready(array: Array) -> Array:
    """Return an array as kernels read it; one that nobody may write to would have them compiled once more."""
    array = np.ascontiguousarray(array)
    return array if array.flags.writeable else array.copy()


def whole(ending: Ending) -> tuple[int, ...]:
    """Return the shape of a sample before the pool."""
    return ending.rows, ending.columns, ending.channels


def pooled(ending: Ending) -> tuple[int, ...]:
    """Return the shape of a sample after the pool."""
    return ending.rows // ending.tile_rows, ending.columns // ending.tile_columns, ending.channels


def empty(like: Array, shape: tuple[int, ...]) -> Array:
    """Return an array for as many samples, in their type."""
    return np.empty((len(like), *shape), like.dtype)


def for_tiles(places: Image) -> Image:
    """Return height and width of a frame for tiles of places."""
    rows, columns = (-(-count // SIDE) * SIDE + READ - SIDE for count in places)
    return rows, columns


def frame_of(
    shape: tuple[int, ...], before: int, frame: Image, size: int, places: Image, like: Array, most: int
) -> Frame:
    """Return how images of a shape lie in frames of a height and width, for windows of a size at places.

    At `most` so many tiles are worked on together, none where it is zero.
    """
    height, width, channels = shape
    numbers = max(frame[0] * frame[1] * channels, places[0] * places[1] * padded(channels, like.dtype))
    if not most:
        at_once = max(1, min(AT_ONCE // (numbers * like.dtype.itemsize), len(like)))
        return Frame(height, width, channels, before, *frame, size, at_once, 0)
    tiles = -(-places[0] // SIDE) * -(-places[1] // SIDE)
    at_once = max(1, min(most // tiles, len(like)))
    return Frame(height, width, channels, before, *frame, size, at_once, min(most, at_once * tiles))


def in_frames(frame: Frame) -> int:
    """Return the numbers of all frames, none where they add nothing to images."""
    if (frame.tall, frame.wide) == (frame.height, frame.width):
        return 0
    return frame.at_once * frame.tall * frame.wide * frame.channels


@cache
def begins_of(stride: int, places: Image, frame: Frame) -> Int64[NDArray[np.int64], " begins"]:
    """Return where the windows of frames that follow each other begin."""
    rows, columns = (stride * np.arange(count) for count in places)
    one = (rows[:, None] * frame.wide + columns).ravel()
    frames = np.arange(frame.at_once) * (frame.tall * frame.wide)
    return ((frames[:, None] + one) * frame.channels).ravel()
