"""Convolutions in kernels: frames and packed weights made ready, samples apart on the cores."""

import threading
from collections.abc import Callable
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from pcsim.engine.lowering import LINEAR
from pcsim.model.arrays import Array
from pcsim.model.windows import Image, Window
from pcsim.typing import NDArray
from pcsim_numba.kernels import convolutions
from pcsim_numba.kernels.convolutions import Frame, Phases
from pcsim_numba.kernels.endings import Ending
from pcsim_numba.kernels.products import packed, padded
from pcsim_numba.threads import count_threads, on_all

AT_ONCE = 2**19
"""Bytes of the images that are worked on together, and of what is made of them: half of a core's own cache."""
SHORT = 4e6
"""Operations of a call below which handing half of it to another thread takes longer than doing it."""

Images = Shaped[Array, "batch h w c"]
Places = Shaped[Array, "batch rows columns out"]


class Weights:
    """A kernel (k, k, c, out) with its bias (out,), None for zeros, packed for the products with it."""

    def __init__(self, kernel: NDArray[Any], bias: NDArray[Any] | None = None) -> None:
        self.kernel, self._mirrored = kernel, dict[int, NDArray[Any]]()
        channels = kernel.shape[3]
        self.bias = np.zeros(padded(channels, kernel.dtype), kernel.dtype)
        if bias is not None:
            self.bias[:channels] = bias
        self.panels = packed(kernel.reshape(-1, channels))
        self._lock = threading.Lock()

    def mirrored(self, stride: int) -> NDArray[Any]:
        """The kernels of the transpose in panels, one after another: of every phase its taps, the last one first."""
        with self._lock:
            if stride not in self._mirrored:
                turned = self.kernel.swapaxes(2, 3)
                phases = [turned[a::stride, b::stride][::-1, ::-1] for a in range(stride) for b in range(stride)]
                panels = [packed(phase.reshape(-1, turned.shape[3])) for phase in phases if phase.size]
                self._mirrored[stride] = np.concatenate(panels) if len(panels) > 1 else panels[0]
            return self._mirrored[stride]


def plain(shape: tuple[int, int, int]) -> Ending:
    """Return the ending that changes nothing."""
    return Ending(LINEAR, 0.0, 1.0, *shape, 1, 1, False, False)


def forward(s: Images, weights: Weights, window: Window, ending: Ending) -> tuple[Array, Array]:
    """Return what convolution, bias and ending make of images, and the slopes its pullback needs."""
    s = np.ascontiguousarray(s)
    out, slopes = empty(s, pooled(ending)), empty(s, whole(ending) if ending.curved else (0,))
    _, height, width, channels = s.shape
    pad = window.padding
    tall, wide = height + 2 * pad, width + 2 * pad
    frame = _frame((height, width, channels), pad, (tall, wide), window.size, ending.rows * ending.columns, out)
    begins = _begins(window.stride, (ending.rows, ending.columns), frame)

    def some(first: int, last: int) -> None:
        arrays = s.ravel(), first, last, frame, begins, weights.panels, weights.bias, ending
        convolutions.forward(*arrays, out.reshape(-1), slopes.reshape(-1))

    _shared(some, len(s), weights.kernel.size * ending.rows * ending.columns)
    return out, slopes


def backward(v: Places, slopes: Array, weights: Weights, window: Window, ending: Ending, image: Image) -> Images:
    """Return the transpose of `forward`'s linear part at slopes, for images of this height and width."""
    v = np.ascontiguousarray(v)
    channels = weights.kernel.shape[2]
    out = empty(v, (*image, channels))
    shape, most = whole(ending), -(-window.size // window.stride)
    before = max(0, most - 1 - window.padding // window.stride)
    ends = ((length - 1 + window.padding) // window.stride + 1 for length in image)
    tall, wide = (before + max(length, end) for length, end in zip(shape[:2], ends, strict=True))
    frame = _frame(shape, before, (tall, wide), window.size, image[0] * image[1], out)
    bias = np.zeros(padded(channels, v.dtype), v.dtype)
    phases, panels = _phases(window, image, frame, len(bias)), weights.mirrored(window.stride)

    def some(first: int, last: int) -> None:
        arrays = v.ravel(), slopes.ravel(), first, last, frame, phases, panels, bias, channels, ending
        convolutions.backward(*arrays, out.reshape(-1))

    _shared(some, len(v), weights.kernel.size * ending.rows * ending.columns)
    return out


def gradient(
    s: Images, v: Places, slopes: Array, window: Window, ending: Ending
) -> tuple[Shaped[Array, "k k c out"], Shaped[Array, " out"]]:
    """Return the gradients of kernel and bias, summed over the batch."""
    s, v = np.ascontiguousarray(s), np.ascontiguousarray(v)
    _, height, width, channels = s.shape
    ld, lines, pad = padded(ending.channels, s.dtype), window.size**2 * channels, window.padding
    out, sums = np.zeros((lines, ld), s.dtype), np.zeros(ld, s.dtype)
    tall, wide = height + 2 * pad, width + 2 * pad
    frame = _frame((height, width, channels), pad, (tall, wide), window.size, ending.rows * ending.columns, v)
    begins = _begins(window.stride, (ending.rows, ending.columns), frame)

    def some(first: int, last: int) -> None:
        arrays = s.ravel(), v.ravel(), slopes.ravel(), len(s), first, last, frame, begins, ending
        convolutions.gradient(*arrays, out.reshape(-1), sums[:] if first == 0 else sums[:0])

    # Lines of the gradient on the cores, not samples: their sums do not depend on how many there are.
    _shared(some, lines, len(s) * ending.rows * ending.columns * ld)
    kernel = out[:, : ending.channels].reshape(window.size, window.size, channels, ending.channels)
    return kernel, sums[: ending.channels]


def end(values: Array, ending: Ending) -> tuple[Array, Array]:
    """Return what an ending makes of values (batch, …), and the slopes its pullback needs."""
    values = np.ascontiguousarray(values)
    out, slopes = empty(values, pooled(ending)), empty(values, whole(ending) if ending.curved else (0,))

    def some(first: int, last: int) -> None:
        convolutions.end(values.ravel(), first, last, ending, out.reshape(-1), slopes.reshape(-1))

    _shared(some, len(values), 20 * ending.rows * ending.columns * ending.channels)
    return out, slopes


def pull(v: Array, slopes: Array, ending: Ending) -> Array:
    """Return the pullback of v through an ending."""
    v = np.ascontiguousarray(v)
    out = empty(v, whole(ending))

    def some(first: int, last: int) -> None:
        convolutions.pull(v.ravel(), slopes.ravel(), first, last, ending, out.reshape(-1))

    _shared(some, len(v), 20 * ending.rows * ending.columns * ending.channels)
    return out


def whole(ending: Ending) -> tuple[int, ...]:
    """Return the shape of a sample before the pool."""
    return ending.rows, ending.columns, ending.channels


def pooled(ending: Ending) -> tuple[int, ...]:
    """Return the shape of a sample after the pool."""
    return ending.rows // ending.tile_rows, ending.columns // ending.tile_columns, ending.channels


def empty(like: Array, shape: tuple[int, ...]) -> Array:
    """Return an array for as many samples, in their type."""
    return np.empty((len(like), *shape), like.dtype)


def _frame(shape: tuple[int, ...], before: int, frame: Image, size: int, places: int, out: NDArray[Any]) -> Frame:
    height, width, channels = shape
    numbers = max(frame[0] * frame[1] * channels, places * padded(channels, out.dtype))
    at_once = max(1, AT_ONCE // (numbers * out.dtype.itemsize))
    return Frame(height, width, channels, before, *frame, size, min(at_once, len(out)))


@cache
def _begins(stride: int, places: Image, frame: Frame) -> Int64[NDArray[np.int64], " begins"]:
    """Return where the windows of frames that follow each other begin."""
    rows, columns = (stride * np.arange(count) for count in places)
    one = (rows[:, None] * frame.wide + columns).ravel()
    frames = np.arange(frame.at_once) * (frame.tall * frame.wide)
    return ((frames[:, None] + one) * frame.channels).ravel()


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
    for a, b in product(range(window.stride), repeat=2):
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
    return Phases(np.array(table, np.int64), np.concatenate(begins), np.concatenate(targets))


def _shared(call: Callable[[int, int], None], count: int, work: float) -> None:
    """Call a function for ranges of samples, or of lines, one for every core."""
    threads = min(count_threads(), count) if count * work > SHORT else 1
    edges = [count * k // threads for k in range(threads + 1)]
    on_all(lambda k: call(edges[k], edges[k + 1]), range(threads))
