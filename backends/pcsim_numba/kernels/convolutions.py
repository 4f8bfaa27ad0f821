"""Convolutions of images with what follows them, an activation and a pool, for some samples of a batch at a time."""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import Any, NamedTuple

import numpy as np

from pcsim.typing import NDArray
from pcsim_numba.kernels.compiled import STAMP, VECTOR_BYTES, entry, part, stay_apart
from pcsim_numba.kernels.endings import ended, pulled
from pcsim_numba.kernels.frames import framed_images
from pcsim_numba.kernels.products import TALL, WIDE
from pcsim_numba.kernels.rows import add, clear, copy
from pcsim_numba.kernels.unchecked_slice import unchecked_slice
from pcsim_numba.kernels.window_tiles import made_tile
from pcsim_numba.kernels.winograd import made_of_tiles, spread_kernel

_made_8_2, _made_4_2, _made_1_2 = made_tile(8, 2), made_tile(4, 2), made_tile(1, 2)
_made_8_1, _made_1_1 = made_tile(8, 1), made_tile(1, 1)


@part
def _made(framed, line, begins, count, lines, depth, panels, bias, out, ld):
    """Write what the kernel in panels makes of windows, (count, ld) in whole vectors.

    Windows have so many lines, each of `depth` numbers, `line` numbers from one to the next.
    """
    stay_apart()
    one = VECTOR_BYTES // framed.itemsize
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


def _compile_forward(stamp: int) -> Any:
    @entry
    def forward(
        images,
        first,
        last,
        frame,
        begins,
        panels,
        bias,
        added,
        ending,
        framed,
        made,
        turned,
        products,
        out,
        slopes,
    ):
        """Write what convolution and ending make of images from `first` to before `last`, and φ' to `slopes`.

        `begins` tells where in frames that follow each other windows begin; `bias` fills whole vectors. `added`
        (places, channels), if anything, comes before the ending. There is room for frames, for what is made of them,
        and for tiles and their products.
        """
        _ = stamp
        rows, columns, places, ld = ending.rows, ending.columns, ending.rows * ending.columns, len(bias)
        clear(framed)
        for i in range(first, last, frame.at_once):
            count = min(frame.at_once, last - i)
            lines, depth, line = frame.size, frame.size * frame.channels, frame.wide * frame.channels
            own = framed_images(images, i, count, frame, framed)
            if frame.tiles:
                made_of_tiles(own, frame, count, rows, columns, panels, bias, turned, products, made)
            else:
                _made(own, line, begins, count * places, lines, depth, panels, bias, made, ld)
            if len(added):
                n = ending.channels
                for p in range(count * places):
                    add(unchecked_slice(made, p * ld, n), unchecked_slice(added, (i * places + p) * n, n))
            for m in range(count):
                ended(unchecked_slice(made, m * places * ld, places * ld), ld, ending, i + m, out, slopes)

    return forward


class Phases(NamedTuple):
    """Entries of an image by how their places in steps of the stride end: each phase reads other taps, if any.

    `table` has of every phase its entries in an image, lines and columns of taps, where its entries begin in the
    arrays, and where its panels do. `begins` tells where in frames that follow each other their windows begin, and
    `targets` which entries of the images these are. Where these are not `complete`, no window reads the others.
    """

    table: NDArray[np.int64]
    begins: NDArray[np.int64]
    targets: NDArray[np.int64]
    complete: bool


def _compile_backward(stamp: int) -> Any:
    @entry
    def backward(
        errors,
        slopes,
        first,
        last,
        frame,
        rows,
        columns,
        phases,
        panels,
        bias,
        channels,
        ending,
        framed,
        before,
        made,
        turned,
        products,
        out,
    ):
        """Write the transpose of errors behind an ending to images of so many rows, columns and channels.

        `bias` is zeros in whole vectors. There is room for frames, for what is pulled back to them, for what is made of
        them, and for tiles and their products.
        """
        _ = stamp
        image, ld, line = frame.height * frame.width * frame.channels, len(bias), frame.wide * frame.channels
        places = rows * columns
        clear(framed)
        for i in range(first, last, frame.at_once):
            count = min(frame.at_once, last - i)
            for m in range(count):
                pulled(errors, slopes, i + m, ending, unchecked_slice(before, m * image, image), frame.channels)
            windows = framed_images(before, 0, count, frame, framed)
            if frame.tiles:
                made_of_tiles(windows, frame, count, rows, columns, panels, bias, turned, products, made)
                size = places * channels
                copy(unchecked_slice(made, 0, count * size), unchecked_slice(out, i * size, count * size))
                continue
            if not phases.complete:
                clear(unchecked_slice(out, i * places * channels, count * places * channels))
            for phase in range(len(phases.table)):
                entries, lines, columns, at, panel = phases.table[phase]
                begins = unchecked_slice(phases.begins, at, count * entries)
                depth = columns * frame.channels
                own = unchecked_slice(panels, panel, lines * depth * ld)
                _made(windows, line, begins, count * entries, lines, depth, own, bias, made, ld)
                for p in range(count * entries):
                    to = unchecked_slice(out, (i * places + phases.targets[at + p]) * channels, channels)
                    copy(unchecked_slice(made, p * ld, channels), to)

    return backward


def _compile_end(stamp: int) -> Any:
    @entry
    def end(values, first, last, ending, own, out, slopes):
        """Write what an ending alone makes of samples, and φ' to `slopes`; there is room for a sample."""
        _ = stamp
        size = len(own)
        for i in range(first, last):
            copy(unchecked_slice(values, i * size, size), own)
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


def _compile_spread(stamp: int) -> Any:
    @entry
    def spread(kernel, depth, n, out):
        """Write a flat kernel (3, 3, depth, n) as the products of tiles need it, in panels."""
        _ = stamp
        spread_kernel(kernel, depth, n, out)

    return spread


spread = _compile_spread(STAMP)
forward = _compile_forward(STAMP)
backward = _compile_backward(STAMP)
end = _compile_end(STAMP)
pull = _compile_pull(STAMP)
