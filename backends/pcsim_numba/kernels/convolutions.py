"""Convolutions of images with what follows them, an activation and a pool, for some samples of a batch at a time."""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import Any, NamedTuple

import numpy as np

from pcsim_numba.kernels.compiled import STAMP, entry, part, stay_apart
from pcsim_numba.kernels.endings import ended, pulled
from pcsim_numba.kernels.products import TALL, VECTOR_BYTES, WIDE
from pcsim_numba.kernels.unchecked_slice import unchecked_slice
from pcsim_numba.kernels.window_tiles import gradient_tile, made_tile

_made_8_2, _made_4_2, _made_1_2 = made_tile(8, 2), made_tile(4, 2), made_tile(1, 2)
_made_8_1, _made_1_1 = made_tile(8, 1), made_tile(1, 1)
_gradient_8_2, _gradient_4_2, _gradient_1_2 = gradient_tile(8, 2), gradient_tile(4, 2), gradient_tile(1, 2)
_gradient_8_1, _gradient_1_1 = gradient_tile(8, 1), gradient_tile(1, 1)


class Frame(NamedTuple):
    """How images lie in a frame of zeros, and windows in the frame.

    An entry of an image of `height` by `width` lies `before` entries from the frame's upper left corner, and `spread`
    entries from the next. The frame is `tall` by `wide`; a window has `size` by `size` of its entries. `at_once` images
    are worked on together.
    """

    height: int
    width: int
    channels: int
    before: int
    spread: int
    tall: int
    wide: int
    size: int
    at_once: int


@part
def _framed(images, first, count, frame, into):
    """Write images from number `first` on into frames that hold zeros elsewhere."""
    stay_apart()
    n, line = frame.channels, frame.width * frame.channels
    for i in range(count):
        for r in range(frame.height):
            y = frame.before + r * frame.spread
            if 0 <= y < frame.tall:
                at = ((first + i) * frame.height + r) * line
                _laid(images, at, frame, into, (i * frame.tall + y) * frame.wide * n)


@part
def _laid(images, at, frame, into, to):
    """Write a line of an image into a line of its frame."""
    n = frame.channels
    if frame.spread == 1 and 0 <= frame.before <= frame.wide - frame.width:
        to += frame.before * n
        for k in range(frame.width * n):
            into[to + k] = images[at + k]
    else:
        for c in range(frame.width):
            x = frame.before + c * frame.spread
            if 0 <= x < frame.wide:
                for k in range(n):
                    into[to + x * n + k] = images[at + c * n + k]


@part
def _made(framed, begins, count, frame, panels, bias, out, ld):
    """Write what the kernel in panels makes of windows, (count, ld) in whole vectors."""
    stay_apart()
    one, line = VECTOR_BYTES // framed.itemsize, frame.wide * frame.channels
    lines, depth = frame.size, frame.size * frame.channels
    for j in range(0, ld, WIDE * one):
        p, panel = 0, j * lines * depth
        if ld - j > one:
            while TALL >= 8 and p + 8 <= count:
                _made_8_2(framed, begins, p, line, lines, depth, panels, panel, bias, j, out, p * ld + j, ld)
                p += 8
            while p + 4 <= count:
                _made_4_2(framed, begins, p, line, lines, depth, panels, panel, bias, j, out, p * ld + j, ld)
                p += 4
            while p < count:
                _made_1_2(framed, begins, p, line, lines, depth, panels, panel, bias, j, out, p * ld + j, ld)
                p += 1
        else:
            while p + 8 <= count:
                _made_8_1(framed, begins, p, line, lines, depth, panels, panel, bias, j, out, p * ld + j, ld)
                p += 8
            while p < count:
                _made_1_1(framed, begins, p, line, lines, depth, panels, panel, bias, j, out, p * ld + j, ld)
                p += 1


@part
def _added(framed, begins, count, frame, first, last, errors, ld, out):
    """Add windows times errors to lines of the kernel's gradient, from `first` to before `last`."""
    stay_apart()
    one, line, depth = VECTOR_BYTES // framed.itemsize, frame.wide * frame.channels, frame.size * frame.channels
    for j in range(0, ld, WIDE * one):
        r = first
        while r < last:
            # Entries of a line of windows lie side by side.
            left, shift, to = min(depth - r % depth, last - r), (r // depth) * line + r % depth, r * ld + j
            if ld - j > one:
                if TALL >= 8 and left >= 8:
                    _gradient_8_2(framed, begins, shift, count, errors, j, ld, out, to, ld)
                    r += 8
                elif left >= 4:
                    _gradient_4_2(framed, begins, shift, count, errors, j, ld, out, to, ld)
                    r += 4
                else:
                    _gradient_1_2(framed, begins, shift, count, errors, j, ld, out, to, ld)
                    r += 1
            elif left >= 8:
                _gradient_8_1(framed, begins, shift, count, errors, j, ld, out, to, ld)
                r += 8
            else:
                _gradient_1_1(framed, begins, shift, count, errors, j, ld, out, to, ld)
                r += 1


def _compile_forward(stamp: int) -> Any:
    @entry
    def forward(images, first, last, frame, begins, panels, bias, ending, out, slopes):
        """Write what convolution and ending make of the images from `first` to before `last`, and φ' to `slopes`.

        `begins` tells where in frames that follow each other windows begin; `bias` fills whole vectors.
        """
        _ = stamp
        size, ld = frame.tall * frame.wide * frame.channels, len(bias)
        places = len(begins) // frame.at_once
        framed = np.zeros(frame.at_once * size, images.dtype)
        made = np.empty(frame.at_once * places * ld, images.dtype)
        for i in range(first, last, frame.at_once):
            count = min(frame.at_once, last - i)
            _framed(images, i, count, frame, framed)
            _made(framed, begins, count * places, frame, panels, bias, made, ld)
            for m in range(count):
                ended(unchecked_slice(made, m * places * ld, places * ld), ld, ending, i + m, out, slopes)

    return forward


def _compile_backward(stamp: int) -> Any:
    @entry
    def backward(errors, slopes, first, last, frame, begins, panels, channels, ending, out):
        """Write the transpose of errors behind an ending, of `channels`; as `forward`, with the mirrored kernel."""
        _ = stamp
        image = frame.height * frame.width * frame.channels
        size, places = frame.tall * frame.wide * frame.channels, len(begins) // frame.at_once
        ld = len(panels) // (frame.size * frame.size * frame.channels)
        framed, bias = np.zeros(frame.at_once * size, errors.dtype), np.zeros(ld, errors.dtype)
        before, made = (
            np.empty(frame.at_once * image, errors.dtype),
            np.empty(frame.at_once * places * ld, errors.dtype),
        )
        for i in range(first, last, frame.at_once):
            count = min(frame.at_once, last - i)
            for m in range(count):
                pulled(errors, slopes, i + m, ending, unchecked_slice(before, m * image, image), frame.channels)
            _framed(before, 0, count, frame, framed)
            _made(framed, begins, count * places, frame, panels, bias, made, ld)
            for p in range(count * places):
                for c in range(channels):
                    out[(i * places + p) * channels + c] = made[p * ld + c]

    return backward


def _compile_gradient(stamp: int) -> Any:
    @entry
    def gradient(images, errors, slopes, samples, first, last, frame, begins, ending, out, sums):
        """Add the gradient of the kernel (entries of a window, ld) in lines `first` to before `last` of zeros.

        The errors' sum over samples and places is added to `sums` (ld,), where that is given.
        """
        _ = stamp
        size, places = frame.tall * frame.wide * frame.channels, len(begins) // frame.at_once
        ld = len(out) // (frame.size * frame.size * frame.channels)
        framed = np.zeros(frame.at_once * size, images.dtype)
        before = np.zeros(frame.at_once * places * ld, images.dtype)
        for i in range(0, samples, frame.at_once):
            count = min(frame.at_once, samples - i)
            _framed(images, i, count, frame, framed)
            for m in range(count):
                pulled(errors, slopes, i + m, ending, unchecked_slice(before, m * places * ld, places * ld), ld)
            _added(framed, begins, count * places, frame, first, last, before, ld, out)
            if len(sums):
                for p in range(count * places):
                    for c in range(ld):
                        sums[c] += before[p * ld + c]

    return gradient


def _compile_end(stamp: int) -> Any:
    @entry
    def end(values, first, last, ending, out, slopes):
        """Write what an ending alone makes of samples, and φ' to `slopes`."""
        _ = stamp
        size = ending.rows * ending.columns * ending.channels
        own = np.empty(size, values.dtype)
        for i in range(first, last):
            for k in range(size):
                own[k] = values[i * size + k]
            ended(own, ending.channels, ending, i, out, slopes)

    return end


def _compile_pull(stamp: int) -> Any:
    @entry
    def pull(errors, slopes, first, last, ending, out):
        """Write what an ending's pullback makes of errors."""
        _ = stamp
        size = ending.rows * ending.columns * ending.channels
        for i in range(first, last):
            pulled(errors, slopes, i, ending, unchecked_slice(out, i * size, size), ending.channels)

    return pull


forward = _compile_forward(STAMP)
backward = _compile_backward(STAMP)
gradient = _compile_gradient(STAMP)
end = _compile_end(STAMP)
pull = _compile_pull(STAMP)
