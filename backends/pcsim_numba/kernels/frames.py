"""Images in frames of zeros, so that windows and tiles may reach over their edges."""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import NamedTuple

from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.rows import copy
from pcsim_numba.kernels.unchecked_slice import unchecked_slice


class Frame(NamedTuple):
    """How images lie in a frame of zeros: `before` lines and entries lie above and left of them.

    The frame is `tall` by `wide`; windows in it are `size` by `size`. `at_once` images are worked on together, and
    `tiles` tiles of places where these are made of such (`winograd.py`), zero where they are not.
    """

    height: int
    width: int
    channels: int
    before: int
    tall: int
    wide: int
    size: int
    at_once: int
    tiles: int


@part
def framed_images(images, first, count, frame, into):
    """Return images from number `first` on in frames with zeros around them, as they are where frames add nothing."""
    stay_apart()
    n, line = frame.channels, frame.width * frame.channels
    if frame.tall == frame.height and frame.wide == frame.width:
        return unchecked_slice(images, first * frame.height * line, count * frame.height * line)
    for i in range(count):
        for r in range(frame.height):
            to = ((i * frame.tall + frame.before + r) * frame.wide + frame.before) * n
            copy(
                unchecked_slice(images, ((first + i) * frame.height + r) * line, line), unchecked_slice(into, to, line)
            )
    return into
