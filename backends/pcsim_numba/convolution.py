"""Convolutions in kernels: frames and packed weights made ready, samples apart on the cores."""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from pcsim.engine.lowering import LINEAR
from pcsim.model.arrays import Array
from pcsim.model.windows import Image, Window
from pcsim.typing import NDArray
from pcsim_numba.kernels import convolutions
from pcsim_numba.kernels.convolutions import Frame
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
        self.kernel = kernel
        channels = kernel.shape[3]
        self.bias = np.zeros(padded(channels, kernel.dtype), kernel.dtype)
        if bias is not None:
            self.bias[:channels] = bias

    @cached_property
    def panels(self) -> NDArray[Any]:
        """The kernel in panels."""
        return packed(self.kernel.reshape(-1, self.kernel.shape[3]))

    @cached_property
    def mirrored(self) -> NDArray[Any]:
        """The kernel of the transpose in panels."""
        return packed(self.kernel[::-1, ::-1].swapaxes(2, 3).reshape(-1, self.kernel.shape[2]))


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
    frame = _frame((height, width, channels), pad, 1, (tall, wide), window.size, ending.rows * ending.columns, out)
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
    before, (tall, wide) = window.size - 1 - window.padding, (length + window.size - 1 for length in image)
    frame = _frame(whole(ending), before, window.stride, (tall, wide), window.size, image[0] * image[1], out)
    begins = _begins(1, image, frame)

    def some(first: int, last: int) -> None:
        arrays = v.ravel(), slopes.ravel(), first, last, frame, begins, weights.mirrored, channels, ending
        convolutions.backward(*arrays, out.reshape(-1))

    _shared(some, len(v), weights.kernel.size * image[0] * image[1])
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
    frame = _frame((height, width, channels), pad, 1, (tall, wide), window.size, ending.rows * ending.columns, v)
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


def _frame(
    shape: tuple[int, ...], before: int, spread: int, frame: Image, size: int, places: int, out: NDArray[Any]
) -> Frame:
    height, width, channels = shape
    numbers = max(frame[0] * frame[1] * channels, places * padded(channels, out.dtype))
    at_once = max(1, AT_ONCE // (numbers * out.dtype.itemsize))
    return Frame(height, width, channels, before, spread, *frame, size, min(at_once, len(out)))


@cache
def _begins(stride: int, places: Image, frame: Frame) -> Int64[NDArray[np.int64], " begins"]:
    """Return where the windows of frames that follow each other begin."""
    rows, columns = (stride * np.arange(count) for count in places)
    one = (rows[:, None] * frame.wide + columns).ravel()
    frames = np.arange(frame.at_once) * (frame.tall * frame.wide)
    return ((frames[:, None] + one) * frame.channels).ravel()


def _shared(call: Callable[[int, int], None], count: int, work: float) -> None:
    """Call a function for ranges of samples, or of lines, one for every core."""
    threads = min(count_threads(), count) if count * work > SHORT else 1
    edges = [count * k // threads for k in range(threads + 1)]
    on_all(lambda k: call(edges[k], edges[k + 1]), range(threads))
