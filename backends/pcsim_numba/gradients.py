"""Gradients of kernels and biases in kernels: windows of images times errors, summed over a batch."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Int64, Shaped

from pcsim.model.arrays import Array
from pcsim.model.windows import Window
from pcsim.typing import NDArray
from pcsim_numba.frames import (
    AT_ONCE,
    TILES,
    Images,
    Places,
    begins_of,
    for_tiles,
    frame_of,
    has_tiles,
    in_frames,
    ready,
)
from pcsim_numba.kernels import gradients
from pcsim_numba.kernels.endings import Ending
from pcsim_numba.kernels.frames import Frame
from pcsim_numba.kernels.products import TALL, lanes, padded
from pcsim_numba.kernels.winograd import ASIDE, POINTS
from pcsim_numba.rooms import rooms
from pcsim_numba.threads import shared

SUMS = 2**20
"""Numbers of sums of products that are added to at once: a share of the cache that cores have together."""

Gradients = tuple[Shaped[Array, "k k c out"], Shaped[Array, " out"]]


class Samples(NamedTuple):
    """Some samples of a batch: images, errors behind an ending, and its slopes."""

    s: Images
    v: Places
    slopes: Array


def gradient(batch: Sequence[Samples], window: Window, ending: Ending) -> Gradients:
    """Return the gradients of kernel and bias, summed over the samples."""
    batch = [Samples(ready(s), ready(v), slopes) for s, v, slopes in batch]
    dtype, channels = batch[0].s.dtype, batch[0].s.shape[3]
    kernel, places = (window.size, window.size, channels, ending.channels), (ending.rows, ending.columns)
    if channels % TALL == 0 and has_tiles(kernel, dtype, window, places):
        return _by_tiles(batch, window, ending)
    return _by_windows(batch, window, ending)


def _by_windows(batch: Sequence[Samples], window: Window, ending: Ending) -> Gradients:
    first = batch[0]
    _, height, width, channels = first.s.shape
    ld, lines, pad = padded(ending.channels, first.s.dtype), window.size**2 * channels, window.padding
    out, sums = np.zeros((lines, ld), first.s.dtype), np.zeros(ld, first.s.dtype)
    size, places = (height + 2 * pad, width + 2 * pad), (ending.rows, ending.columns)
    frame = frame_of((height, width, channels), pad, size, window.size, places, first.v, 0)
    begins = begins_of(window.stride, places, frame)

    def some(begin: int, end: int) -> None:
        on_the_way = rooms(out.dtype, in_frames(frame), len(begins) * ld)
        for s, v, slopes in batch:
            arrays = s.ravel(), v.ravel(), slopes.ravel(), len(s), begin, end, frame, begins, ending
            gradients.gradient(*arrays, *on_the_way, out.reshape(-1), sums[:] if begin == 0 else sums[:0])

    # Lines of the gradient on the cores, not samples: their sums do not depend on how many there are.
    shared(some, lines, _places(batch, ending) * ld)
    kernel = out[:, : ending.channels].reshape(window.size, window.size, channels, ending.channels)
    return kernel, sums[: ending.channels]


def _by_tiles(batch: Sequence[Samples], window: Window, ending: Ending) -> Gradients:
    """Winograd's products of tiles, for some input channels at a time: as many as the sums leave room for."""
    n, channels = ending.channels, batch[0].s.shape[3]
    if sum(array.size for samples in batch for array in samples) < POINTS * channels * n:
        # Sums are longer than what is summed: they are to be added to seldom.
        batch = [Samples(*map(np.concatenate, zip(*batch, strict=True)))]
    first = batch[0]
    _, height, width, _ = first.s.shape
    dtype, pad, places = first.s.dtype, window.padding, (ending.rows, ending.columns)
    out, sums = np.empty((3, 3, channels, n), dtype), np.zeros(n, dtype)
    unit = max(lanes(dtype), TALL)
    step = max(unit, min(channels, SUMS // (POINTS * n) // unit * unit))
    most = TILES if POINTS * step * n * dtype.itemsize < AT_ONCE else 4 * TILES
    frame = frame_of((height, width, channels), pad, for_tiles(places), 3, places, first.v, most)
    around = Frame(*places, n, 0, frame.tall - 2, frame.wide - 2, 3, frame.at_once, frame.tiles)
    steps = _steps(frame.tiles, step)
    between = in_frames(frame), frame.at_once * ending.rows * ending.columns * n, in_frames(around)
    apart = [POINTS * (numbers + ASIDE) for numbers in (frame.tiles * step, frame.tiles * n, step * n)]

    def some(begin: int, end: int) -> None:
        on_the_way, last = rooms(dtype, *between, *apart), len(batch) - 1
        for at in range(begin * unit, end * unit, step):
            count, into = min(step, end * unit - at), sums[:] if at == 0 else sums[:0]
            for k, (s, v, slopes) in enumerate(batch):
                arrays = s.ravel(), v.ravel(), slopes.ravel(), len(s), at, count, frame, around, steps, ending
                gradients.of_tiles(*arrays, *on_the_way, k == 0, k == last, out.reshape(-1), into)

    shared(some, channels // unit, _places(batch, ending) * unit * n)
    return out, sums


def _places(batch: Sequence[Samples], ending: Ending) -> int:
    return sum(len(samples.s) for samples in batch) * ending.rows * ending.columns


@cache
def _steps(tiles: int, step: int) -> Int64[NDArray[np.int64], " tiles"]:
    """Return where entries of tiles begin, at least of two."""
    return step * np.arange(max(tiles, 2))
