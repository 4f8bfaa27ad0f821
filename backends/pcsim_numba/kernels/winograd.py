"""Convolutions of 3 by 3 at every place in fewer products: F(4 × 4, 3 × 3) of Winograd (Lavin & Gray 2016).

Sixteen places that lie together take 36 products a pair of channels, not 144: their 6 by 6 entries d are turned to
Bᵀ d B, the kernel g to G g Gᵀ, and their product m, entry by entry, to Aᵀ m A. Channels fill whole vectors.

The maps are those of polynomials at the points 0, ±√½, ±√2 and ∞: with them float32 rounds two to three times as much
as the plain sum, with 0, ±1, ±2 and ∞ six to ten times as much.
"""

# Numba infers the types of what it compiles.
# pyright: basic

import math
from typing import Any

from numba import types

from pcsim_numba.kernels.compiled import VECTOR_BYTES, intrinsic, part, stay_apart
from pcsim_numba.kernels.products import WIDE, multiply
from pcsim_numba.kernels.rows import copy
from pcsim_numba.kernels.unchecked_slice import unchecked_slice
from pcsim_numba.kernels.window_tiles import Emitter

SIDE = 4
"""Places of a tile in a row."""
READ = SIDE + 2
"""Entries in a row that they read."""
POINTS = READ**2
"""Products of a tile."""
ASIDE = 16
"""Numbers between the products of tiles: without them all of a tile would lie at the same place of the cache."""
NEAR, FAR = math.sqrt(0.5), math.sqrt(2.0)


def _turned(e: Any, d: list[Any]) -> list[Any]:
    """Return Bᵀ d."""
    ends = [e.builder.fadd(e.fma(e.constant(-2.5), d[k + 2], d[k]), d[k + 4]) for k in (0, 1)]
    found = [ends[0]]
    for point in (NEAR, FAR):
        # The square of the other point is one over that of this one.
        other = e.constant(-1.0 / point**2)
        even, odd = e.fma(other, d[2], d[4]), e.fma(other, d[1], d[3])
        found += [e.fma(e.constant(sign * point), odd, even) for sign in (1.0, -1.0)]
    return [*found, ends[1]]


def _gathered(e: Any, m: list[Any]) -> list[Any]:
    """Return Aᵀ m."""
    builder = e.builder
    near, far = (builder.fadd(m[k], m[k + 1]) for k in (1, 3))
    left, right = (builder.fsub(m[k], m[k + 1]) for k in (1, 3))

    def both(power: int, a: Any, b: Any) -> Any:
        return e.fma(e.constant(NEAR**power), a, builder.fmul(e.constant(FAR**power), b))

    return [
        builder.fadd(m[0], builder.fadd(near, far)),
        both(1, left, right),
        both(2, near, far),
        builder.fadd(both(3, left, right), m[5]),
    ]


def _spread(e: Any, g: list[Any]) -> list[Any]:
    """Return G g."""
    builder, found = e.builder, [g[0]]
    for point, share in ((NEAR, -1.0 / 1.5), (FAR, 1.0 / 6.0)):
        sides = builder.fmul(e.constant(share), e.fma(e.constant(point**2), g[2], g[0]))
        found += [e.fma(e.constant(sign * share * point), g[1], sides) for sign in (1.0, -1.0)]
    return [*found, g[2]]


def both(turn: Any, e: Any, entries: list[list[Any]]) -> list[Any]:
    """Apply a map to the columns of a matrix of vectors, then to its rows; return all entries."""
    columns = [turn(e, [row[k] for row in entries]) for k in range(len(entries[0]))]
    return [value for r in range(len(columns[0])) for value in turn(e, [column[r] for column in columns])]


def spread_out(change: Any, side: int) -> Any:
    """Return what emits a map, taken to both sides, of `side` by `side` entries at a place, channel by channel."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = Emitter(context, builder, signature, arguments, 0)
        _, at, line, channels, count, _, to, apart = arguments
        start, end = e.pointer(0, at), e.pointer(5, to)

        def body(k: Any, sums: list[Any]) -> list[Any]:
            c = builder.mul(k, e.number(e.width))

            def entry(a: int, b: int) -> Any:
                place = builder.add(builder.mul(line, e.number(a)), builder.mul(channels, e.number(b)))
                return e.load(e.moved(start, builder.add(place, c)))

            found = both(change, e, [[entry(a, b) for b in range(side)] for a in range(side)])
            for p, value in enumerate(found):
                e.store(value, e.moved(end, builder.add(builder.mul(apart, e.number(p)), c)))
            return sums

        e.loop(builder.sdiv(count, e.number(e.width)), [], body)
        return context.get_dummy_value()

    return emit


@intrinsic
def turn(typing: Any, framed: Any, at: Any, line: Any, channels: Any, count: Any, out: Any, to: Any, apart: Any):
    """Write Bᵀ d B of `count` channels of the entries at one place, `apart` numbers from one product to the next."""
    del typing, at, line, channels, count, to, apart
    n = types.intp

    return types.void(framed, n, n, n, n, out, n, n), spread_out(_turned, READ)


@intrinsic
def _gather(typing: Any, made: Any, at: Any, apart: Any, bias: Any, ld: Any, out: Any, to: Any, line: Any):
    """Write Aᵀ m A and a bias to four by four places, `line` numbers from one row of them to the next."""
    del typing, at, apart, ld, to, line
    n = types.intp

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = Emitter(context, builder, signature, arguments, 0)
        _, at, apart, _, ld, _, to, line = arguments
        start, own, end = e.pointer(0, at), e.pointer(3, e.number(0)), e.pointer(5, to)

        def body(k: Any, sums: list[Any]) -> list[Any]:
            c = builder.mul(k, e.number(e.width))

            def entry(p: int) -> Any:
                return e.load(e.moved(start, builder.add(builder.mul(apart, e.number(p)), c)))

            found = both(_gathered, e, [[entry(READ * a + b) for b in range(READ)] for a in range(READ)])
            bias = e.load(e.moved(own, c))
            for p, value in enumerate(found):
                row, column = builder.mul(line, e.number(p // SIDE)), builder.mul(ld, e.number(p % SIDE))
                e.store(builder.fadd(value, bias), e.moved(end, builder.add(builder.add(row, column), c)))
            return sums

        e.loop(builder.sdiv(ld, e.number(e.width)), [], body)
        return context.get_dummy_value()

    return types.void(made, n, n, bias, n, out, n, n), emit


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

            found = both(_spread, e, [[entry(3 * a + b) for b in range(3)] for a in range(3)])
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
def made_of_tiles(framed, frame, count, rows, columns, panels, bias, turned, products, out):
    """Write what a 3 by 3 kernel makes at (count, rows, columns) places, (places, ld) in whole vectors.

    As many more places as a tile has follow in `out`; `turned` and `products` have room for `frame.tiles` tiles.
    """
    stay_apart()
    tall, wide = (rows + SIDE - 1) // SIDE, (columns + SIDE - 1) // SIDE
    for first in range(0, count * tall * wide, frame.tiles):
        last = min(first + frame.tiles, count * tall * wide)
        _products(framed, frame, first, last, tall, wide, panels, len(bias), turned, products)
        _places(products, first, last, tall, wide, count, rows, columns, bias, out)


@part
def _products(framed, frame, first, last, tall, wide, panels, ld, turned, products):
    """Write the products of tiles from `first` to before `last`."""
    stay_apart()
    n, line, tiles = frame.channels, frame.wide * frame.channels, last - first
    apart, beside = tiles * n + ASIDE, tiles * ld + ASIDE
    for t in range(tiles):
        i, r, c = (first + t) // (tall * wide), (first + t) // wide % tall, (first + t) % wide
        at = (i * frame.tall + SIDE * r) * line + SIDE * c * n
        turn(framed, at, line, n, n, turned, t * n, apart)
    for p in range(POINTS):
        own = unchecked_slice(panels, p * n * ld, n * ld)
        into = unchecked_slice(products, p * beside, tiles * ld)
        multiply(unchecked_slice(turned, p * apart, tiles * n), n, own, tiles, n, into, ld)


@part
def _places(products, first, last, tall, wide, count, rows, columns, bias, out):
    """Write what the products of tiles make; tiles that reach over an edge make it beyond all places first."""
    stay_apart()
    ld = len(bias)
    apart, beyond = (last - first) * ld + ASIDE, count * rows * columns * ld
    for t in range(first, last):
        i, r, c = t // (tall * wide), SIDE * (t // wide % tall), SIDE * (t % wide)
        down, right = min(SIDE, rows - r), min(SIDE, columns - c)
        place, line = ((i * rows + r) * columns + c) * ld, columns * ld
        inside = down + right == 2 * SIDE
        to, step = (place, line) if inside else (beyond, SIDE * ld)
        _gather(products, (t - first) * ld, apart, bias, ld, out, to, step)
        if not inside:
            for k in range(down):
                made = unchecked_slice(out, beyond + k * step, right * ld)
                copy(made, unchecked_slice(out, place + k * line, right * ld))
