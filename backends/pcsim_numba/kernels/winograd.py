"""Convolutions of 3 by 3 at every place in fewer products: F(2 × 2, 3 × 3) of Winograd (Lavin & Gray 2016).

Four places that lie together take 16 products a pair of channels, not 36: their 4 by 4 entries d are turned to Bᵀ d B,
the kernel g to G g Gᵀ, and their product m, entry by entry, to Aᵀ m A. Channels fill whole vectors.
"""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import Any

import numpy as np
from numba import types

from pcsim_numba.kernels.compiled import intrinsic, part, stay_apart
from pcsim_numba.kernels.products import VECTOR_BYTES, WIDE, multiply
from pcsim_numba.kernels.unchecked_slice import unchecked_slice
from pcsim_numba.kernels.window_tiles import Emitter

POINTS = 16
"""Products of a tile."""


def _turned(e: Any, d: list[Any]) -> list[Any]:
    """Return Bᵀ d."""
    builder = e.builder
    return [builder.fsub(d[0], d[2]), builder.fadd(d[1], d[2]), builder.fsub(d[2], d[1]), builder.fsub(d[1], d[3])]


def _gathered(e: Any, m: list[Any]) -> list[Any]:
    """Return Aᵀ m."""
    builder = e.builder
    middle, sides = builder.fadd(m[1], m[2]), builder.fsub(m[1], m[2])
    return [builder.fadd(m[0], middle), builder.fsub(sides, m[3])]


def _spread(e: Any, g: list[Any]) -> list[Any]:
    """Return G g."""
    builder, half = e.builder, e.constant(0.5)
    ends = builder.fadd(g[0], g[2])
    return [
        g[0],
        builder.fmul(half, builder.fadd(ends, g[1])),
        builder.fmul(half, builder.fsub(ends, g[1])),
        g[2],
    ]


def _both(turn: Any, e: Any, entries: list[list[Any]]) -> list[Any]:
    """Apply a map to the columns of a matrix of vectors, then to its rows; return all entries."""
    columns = [turn(e, [row[k] for row in entries]) for k in range(len(entries[0]))]
    return [value for r in range(len(columns[0])) for value in turn(e, [column[r] for column in columns])]


@intrinsic
def _turn(typing: Any, framed: Any, at: Any, line: Any, channels: Any, out: Any, to: Any, apart: Any):
    """Write Bᵀ d B of the entries at one place, `apart` numbers from one product to the next."""
    del typing, at, line, channels, to, apart
    n = types.intp

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = Emitter(context, builder, signature, arguments, 0)
        _, at, line, channels, _, to, apart = arguments
        start, end = e.pointer(0, at), e.pointer(4, to)

        def body(k: Any, sums: list[Any]) -> list[Any]:
            c = builder.mul(k, e.number(e.width))

            def entry(a: int, b: int) -> Any:
                place = builder.add(builder.mul(line, e.number(a)), builder.mul(channels, e.number(b)))
                return e.load(e.moved(start, builder.add(place, c)))

            found = _both(_turned, e, [[entry(a, b) for b in range(4)] for a in range(4)])
            for p, value in enumerate(found):
                e.store(value, e.moved(end, builder.add(builder.mul(apart, e.number(p)), c)))
            return sums

        e.loop(builder.sdiv(channels, e.number(e.width)), [], body)
        return context.get_dummy_value()

    return types.void(framed, n, n, n, out, n, n), emit


@intrinsic
def _gather(
    typing: Any,
    made: Any,
    at: Any,
    apart: Any,
    bias: Any,
    ld: Any,
    out: Any,
    to: Any,
    right: Any,
    below: Any,
    last: Any,
):
    """Write Aᵀ m A and a bias to four places: one, and those at its right, below, and below that at its right."""
    del typing, at, apart, ld, to, right, below, last
    n = types.intp

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = Emitter(context, builder, signature, arguments, 0)
        _, at, apart, _, ld, _, *places = arguments
        start, own = e.pointer(0, at), e.pointer(3, e.number(0))
        ends = [e.pointer(5, place) for place in places]

        def body(k: Any, sums: list[Any]) -> list[Any]:
            c = builder.mul(k, e.number(e.width))

            def entry(p: int) -> Any:
                return e.load(e.moved(start, builder.add(builder.mul(apart, e.number(p)), c)))

            found = _both(_gathered, e, [[entry(4 * a + b) for b in range(4)] for a in range(4)])
            bias = e.load(e.moved(own, c))
            for value, end in zip(found, ends, strict=True):
                e.store(builder.fadd(value, bias), e.moved(end, c))
            return sums

        e.loop(builder.sdiv(ld, e.number(e.width)), [], body)
        return context.get_dummy_value()

    return types.void(made, n, n, bias, n, out, n, n, n, n), emit


@intrinsic
def _spread_out(typing: Any, kernel: Any, at: Any, tap: Any, count: Any, out: Any, to: Any, apart: Any):
    """Write G g Gᵀ of some channels of a kernel, `tap` numbers from one tap to the next."""
    del typing, at, tap, count, to, apart
    n = types.intp

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = Emitter(context, builder, signature, arguments, 0)
        _, at, tap, count, _, to, apart = arguments
        start, end = e.pointer(0, at), e.pointer(4, to)

        def body(k: Any, sums: list[Any]) -> list[Any]:
            c = builder.mul(k, e.number(e.width))

            def entry(t: int) -> Any:
                return e.load(e.moved(start, builder.add(builder.mul(tap, e.number(t)), c)))

            found = _both(_spread, e, [[entry(3 * a + b) for b in range(3)] for a in range(3)])
            for p, value in enumerate(found):
                e.store(value, e.moved(end, builder.add(builder.mul(apart, e.number(p)), c)))
            return sums

        e.loop(builder.sdiv(count, e.number(e.width)), [], body)
        return context.get_dummy_value()

    return types.void(kernel, n, n, n, out, n, n), emit


@part
def spread_kernel(kernel, depth, n, out):
    """Write G g Gᵀ of a flat kernel (3, 3, depth, n), in panels for each product."""
    stay_apart()
    wide = WIDE * (VECTOR_BYTES // kernel.itemsize)
    for j in range(0, n, wide):
        own = min(wide, n - j)
        for c in range(depth):
            _spread_out(kernel, c * n + j, depth * n, own, out, j * depth + c * own, depth * n)


@part
def room_for_tiles(framed, frame, rows, columns, ld):
    """Return room for what is made of the entries of all tiles of images, and for their products, none without."""
    tiles = frame.at_once * ((rows + 1) // 2) * ((columns + 1) // 2) if frame.tiled else 0
    return np.empty(POINTS * tiles * frame.channels, framed.dtype), np.empty(POINTS * tiles * ld, framed.dtype)


@part
def made_of_tiles(framed, frame, count, rows, columns, panels, bias, turned, products, out):
    """Write what a 3 by 3 kernel makes at (count, rows, columns) places, (places, ld) in whole vectors.

    A last place of `out` takes what tiles make beyond an edge; `turned` and `products` have room for all tiles.
    """
    stay_apart()
    n, ld, tall, wide = frame.channels, len(bias), (rows + 1) // 2, (columns + 1) // 2
    line, tiles = frame.wide * n, count * tall * wide
    beyond = count * rows * columns * ld
    t = 0
    for i in range(count):
        for r in range(tall):
            at = (i * frame.tall + 2 * r) * line
            for c in range(wide):
                _turn(framed, at + 2 * c * n, line, n, turned, t * n, tiles * n)
                t += 1
    for p in range(POINTS):
        own = unchecked_slice(panels, p * n * ld, n * ld)
        into = unchecked_slice(products, p * tiles * ld, tiles * ld)
        multiply(unchecked_slice(turned, p * tiles * n, tiles * n), n, own, tiles, n, into, ld)
    t = 0
    for i in range(count):
        for r in range(tall):
            for c in range(wide):
                place = ((i * rows + 2 * r) * columns + 2 * c) * ld
                right = place + ld if 2 * c + 1 < columns else beyond
                below = place + columns * ld if 2 * r + 1 < rows else beyond
                last = below + ld if below < beyond and right < beyond else beyond
                _gather(products, t * ld, tiles * ld, bias, ld, out, place, right, below, last)
                t += 1
