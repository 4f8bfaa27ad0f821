"""Convolutions in kernels: frames and packed weights made ready, samples apart on the cores."""

import threading
import weakref
from collections.abc import Callable
from functools import cache
from itertools import product
from math import prod
from typing import Any

import numpy as np

from pcsim.engine.lowering import LINEAR
from pcsim.model.arrays import Array
from pcsim.model.windows import Image, Window
from pcsim.typing import NDArray
from pcsim_numba.frames import (
    TILES,
    Images,
    Places,
    begins_of,
    empty,
    for_tiles,
    frame_of,
    has_tiles,
    in_frames,
    pooled,
    ready,
    whole,
)
from pcsim_numba.kernels import convolutions
from pcsim_numba.kernels.convolutions import Phases
from pcsim_numba.kernels.endings import Ending
from pcsim_numba.kernels.frames import Frame
from pcsim_numba.kernels.products import packed, padded
from pcsim_numba.kernels.winograd import ASIDE, POINTS, SIDE
from pcsim_numba.rooms import rooms
from pcsim_numba.threads import shared

NOTHING = np.zeros(0)


class Weights:
    """A kernel (k, k, c, out) with its bias (out,), None for zeros, packed for the products with it.

    A kernel that is not `owned` is kept by others: what is packed goes when it goes.
    """

    def __init__(self, kernel: NDArray[Any], bias: NDArray[Any] | None = None, *, owned: bool = False) -> None:
        self._kernel: Callable[[], NDArray[Any] | None] = (lambda: kernel) if owned else weakref.ref(kernel)
        channels = kernel.shape[3]
        self.bias = np.zeros(padded(channels, kernel.dtype), kernel.dtype)
        if bias is not None:
            self.bias[:channels] = bias
        self._packed, self._lock = dict[tuple[int, bool], NDArray[Any]](), threading.Lock()

    @property
    def kernel(self) -> NDArray[Any]:
        """The kernel."""
        kernel = self._kernel()
        assert kernel is not None, "whoever asks for products has the kernel"
        return kernel

    def panels(self, tiled: bool) -> NDArray[Any]:
        """The kernel in panels."""
        return self._once((0, tiled), lambda: spread(self.kernel) if tiled else _panels(self.kernel))

    def mirrored(self, stride: int, tiled: bool) -> NDArray[Any]:
        """The kernels of the transpose in panels, one after another: of every phase its taps, the last one first."""

        def make() -> NDArray[Any]:
            turned = self.kernel.swapaxes(2, 3)
            if tiled:
                return spread(turned[::-1, ::-1])
            phases = [turned[a::stride, b::stride][::-1, ::-1] for a in range(stride) for b in range(stride)]
            return np.concatenate([_panels(phase) for phase in phases if phase.size])

        return self._once((stride, tiled), make)

    def _once(self, key: tuple[int, bool], make: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        with self._lock:
            if key not in self._packed:
                self._packed[key] = make()
            return self._packed[key]


def _panels(kernel: NDArray[Any]) -> NDArray[Any]:
    return packed(kernel.reshape(-1, kernel.shape[3]))


def spread(kernel: NDArray[Any]) -> NDArray[Any]:
    """Return a kernel (3, 3, c, out) as tiles need it, in panels."""
    depth, n = kernel.shape[2:]
    out = np.empty(POINTS * depth * n, kernel.dtype)
    convolutions.spread(np.ascontiguousarray(kernel).reshape(-1), depth, n, out)
    return out


def plain(shape: tuple[int, int, int]) -> Ending:
    """Return the ending that changes nothing."""
    return Ending(LINEAR, 0.0, 1.0, *shape, 1, 1, False, False)


def forward(
    s: Images, weights: Weights, window: Window, ending: Ending, added: Array | None = None
) -> tuple[Array, Array]:
    """Return what convolution, bias and ending make of images, and the slopes its pullback needs.

    What is `added` (batch, rows, columns, channels), if anything, comes before the ending.
    """
    s = ready(s)
    out, slopes = empty(s, pooled(ending)), empty(s, whole(ending) if ending.curved else (0,))
    _, height, width, channels = s.shape
    pad, places = window.padding, (ending.rows, ending.columns)
    tiled = has_tiles(weights.kernel.shape, s.dtype, window, places)
    size = for_tiles(places) if tiled else (height + 2 * pad, width + 2 * pad)
    frame = frame_of((height, width, channels), pad, size, window.size, places, out, TILES if tiled else 0)
    begins, panels = begins_of(window.stride, places, frame), weights.panels(tiled)
    beside = ready(NOTHING.astype(s.dtype) if added is None else added).reshape(-1)

    def some(first: int, last: int) -> None:
        arrays = s.ravel(), first, last, frame, begins, panels, weights.bias, beside, ending
        on_the_way = rooms(s.dtype, in_frames(frame), *_made(frame, places, len(weights.bias)))
        convolutions.forward(*arrays, *on_the_way, out.reshape(-1), slopes.reshape(-1))

    shared(some, len(s), weights.kernel.size * ending.rows * ending.columns)
    return out, slopes


def backward(v: Places, slopes: Array, weights: Weights, window: Window, ending: Ending, image: Image) -> Images:
    """Return the transpose of `forward`'s linear part at slopes, for images of this height and width."""
    v = ready(v)
    channels = weights.kernel.shape[2]
    out = empty(v, (*image, channels))
    shape, most = whole(ending), -(-window.size // window.stride)
    before = max(0, most - 1 - window.padding // window.stride)
    ends = ((length - 1 + window.padding) // window.stride + 1 for length in image)
    tall, wide = (before + max(length, end) for length, end in zip(shape[:2], ends, strict=True))
    tiled = has_tiles(weights.kernel.shape, v.dtype, window, image)
    frame = frame_of(
        shape, before, for_tiles(image) if tiled else (tall, wide), window.size, image, out, TILES if tiled else 0
    )
    bias = np.zeros(padded(channels, v.dtype), v.dtype)
    phases, panels = _phases(window, image, frame, len(bias)), weights.mirrored(window.stride, tiled)

    def some(first: int, last: int) -> None:
        arrays = v.ravel(), slopes.ravel(), first, last, frame, *image, phases, panels, bias, channels, ending
        sizes = in_frames(frame), frame.at_once * prod(shape), *_made(frame, image, len(bias))
        convolutions.backward(*arrays, *rooms(v.dtype, *sizes), out.reshape(-1))

    shared(some, len(v), weights.kernel.size * ending.rows * ending.columns)
    return out


def end(values: Array, ending: Ending) -> tuple[Array, Array]:
    """Return what an ending makes of values (batch, …), and the slopes its pullback needs."""
    values = ready(values)
    out, slopes = empty(values, pooled(ending)), empty(values, whole(ending) if ending.curved else (0,))

    def some(first: int, last: int) -> None:
        own = rooms(values.dtype, prod(whole(ending)))
        convolutions.end(values.ravel(), first, last, ending, *own, out.reshape(-1), slopes.reshape(-1))

    shared(some, len(values), 20 * ending.rows * ending.columns * ending.channels)
    return out, slopes


def pull(v: Array, slopes: Array, ending: Ending) -> Array:
    """Return the pullback of v through an ending."""
    v = ready(v)
    out = empty(v, whole(ending))

    def some(first: int, last: int) -> None:
        convolutions.pull(v.ravel(), slopes.ravel(), first, last, ending, out.reshape(-1))

    shared(some, len(v), 20 * ending.rows * ending.columns * ending.channels)
    return out


def _made(frame: Frame, places: Image, ld: int) -> tuple[int, ...]:
    """Return the numbers of what is made at places of all frames, and of tiles and their products on the way."""
    beyond = SIDE**2 if frame.tiles else 0
    made = (frame.at_once * prod(places) + beyond) * ld
    return made, *(POINTS * (frame.tiles * n + ASIDE) for n in (frame.channels, ld))


@cache
def _phases(window: Window, image: Image, frame: Frame, ld: int) -> Phases:
    """Return the phases of images of this height and width, whose windows lie in frames.

    Entry y of an image is read by tap a = φ + i·stride of window (y + padding − a)/stride, φ its phase.
    """
    table: list[tuple[int, ...]] = []
    begins: list[NDArray[np.int64]] = []
    targets: list[NDArray[np.int64]] = []
    panel = at = 0
    frames = np.arange(frame.at_once)[:, None]
    taps = [len(range(phase, window.size, window.stride)) for phase in range(window.stride)]
    for a, b in product(range(min(window.stride, window.size)), repeat=2):
        own = [
            np.arange((phase - window.padding) % window.stride, n, window.stride)
            for phase, n in zip((a, b), image, strict=True)
        ]
        rows, columns = (
            (entries + window.padding) // window.stride - (count - 1) + frame.before
            for entries, count in zip(own, (taps[a], taps[b]), strict=True)
        )
        begin = (rows[:, None] * frame.wide + columns).ravel()
        target = (own[0][:, None] * image[1] + own[1]).ravel()
        begins.append(((frames * (frame.tall * frame.wide) + begin) * frame.channels).ravel())
        targets.append((frames * (image[0] * image[1]) + target).ravel())
        table.append((len(target), taps[a], taps[b], at, panel))
        at, panel = at + len(begins[-1]), panel + taps[a] * taps[b] * frame.channels * ld
    complete = window.size >= window.stride
    return Phases(np.array(table, np.int64), np.concatenate(begins), np.concatenate(targets), complete)
