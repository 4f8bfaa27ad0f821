"""Gradients of kernels: windows times errors, summed over places and samples."""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import Any

from pcsim_numba.kernels.compiled import STAMP, VECTOR_BYTES, entry, part, stay_apart
from pcsim_numba.kernels.endings import pulled
from pcsim_numba.kernels.frames import framed_images
from pcsim_numba.kernels.products import TALL, WIDE
from pcsim_numba.kernels.rows import add, clear
from pcsim_numba.kernels.unchecked_slice import unchecked_slice
from pcsim_numba.kernels.window_tiles import gradient_tile
from pcsim_numba.kernels.winograd_gradients import added_tiles, narrowed

_gradient_8_2, _gradient_4_2, _gradient_1_2 = gradient_tile(8, 2), gradient_tile(4, 2), gradient_tile(1, 2)
_gradient_8_1, _gradient_1_1 = gradient_tile(8, 1), gradient_tile(1, 1)


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


def _compile_gradient(stamp: int) -> Any:
    @entry
    def gradient(images, errors, slopes, samples, first, last, frame, begins, ending, framed, before, out, sums):
        """Add the gradient of the kernel (entries of a window, ld) in lines `first` to before `last` of zeros.

        The errors' sum over samples and places is added to `sums` (ld,), where that is given. There is room for frames,
        and for what is pulled back to their places.
        """
        _ = stamp
        places = len(begins) // frame.at_once
        ld = len(out) // (frame.size * frame.size * frame.channels)
        clear(framed)
        clear(before)
        for i in range(0, samples, frame.at_once):
            count = min(frame.at_once, samples - i)
            own = framed_images(images, i, count, frame, framed)
            for m in range(count):
                pulled(errors, slopes, i + m, ending, unchecked_slice(before, m * places * ld, places * ld), ld)
            _added(own, begins, count * places, frame, first, last, before, ld, out)
            if len(sums):
                for p in range(count * places):
                    add(sums, unchecked_slice(before, p * ld, ld))

    return gradient


def _compile_of_tiles(stamp: int) -> Any:
    @entry
    def of_tiles(
        images,
        errors,
        slopes,
        samples,
        first,
        count,
        frame,
        around,
        steps,
        ending,
        framed,
        before,
        apart,
        turned,
        spread,
        total,
        begins,
        ends,
        out,
        sums,
    ):
        """Add the gradient of a 3 by 3 kernel in `count` input channels from `first` on, by tiles.

        `frame` is that of images, `around` that of errors; `steps` tells where entries of tiles begin. Sums of products
        lie in `total` from a call that `begins` to one that `ends`: that writes them to `out` (9, inputs, outputs). The
        errors' sum over samples and places is added to `sums`, where that is given. The others are room for frames of
        images, for errors and their frames, and for tiles of both.
        """
        _ = stamp
        n, places = around.channels, around.height * around.width
        clear(framed)
        clear(apart)
        if begins:
            clear(total)
        for i in range(0, samples, frame.at_once):
            some = min(frame.at_once, samples - i)
            windows = framed_images(images, i, some, frame, framed)
            for m in range(some):
                pulled(errors, slopes, i + m, ending, unchecked_slice(before, m * places * n, places * n), n)
            own = framed_images(before, 0, some, around, apart)
            added_tiles(windows, own, some, first, count, frame, around, steps, turned, spread, total)
            if len(sums):
                for p in range(some * places):
                    add(sums, unchecked_slice(before, p * n, n))
        if ends:
            narrowed(total, first, count, frame.channels, n, out)

    return of_tiles


gradient = _compile_gradient(STAMP)
of_tiles = _compile_of_tiles(STAMP)
