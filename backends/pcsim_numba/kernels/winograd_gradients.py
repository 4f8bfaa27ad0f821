"""Gradients of kernels of 3 by 3 in Winograd's products: the transpose of what `winograd.py` makes.

The gradient is Gᵀ (Σ Bᵀ d B ⊙ A e Aᵀ) G, summed over tiles of 6 by 6 entries d and 4 by 4 errors e.
"""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import Any

from numba import types

from pcsim_numba.kernels.compiled import VECTOR_BYTES, intrinsic, part, stay_apart
from pcsim_numba.kernels.products import TALL, WIDE
from pcsim_numba.kernels.unchecked_slice import unchecked_slice
from pcsim_numba.kernels.window_tiles import Emitter, gradient_tile
from pcsim_numba.kernels.winograd import ASIDE, FAR, NEAR, POINTS, READ, SIDE, both, spread_out, turn

TAPS = 3
_two, _one = gradient_tile(TALL, 2), gradient_tile(TALL, 1)


def _widened(e: Any, errors: list[Any]) -> list[Any]:
    """Return A e."""
    found = [errors[0]]
    for point in (NEAR, FAR):
        square = e.constant(point**2)
        even, odd = e.fma(square, errors[2], errors[0]), e.fma(square, errors[3], errors[1])
        found += [e.fma(e.constant(sign * point), odd, even) for sign in (1.0, -1.0)]
    return [*found, errors[3]]


def _narrowed(e: Any, m: list[Any]) -> list[Any]:
    """Return Gᵀ m."""
    builder = e.builder
    near, far = (builder.fadd(m[k], m[k + 1]) for k in (1, 3))
    left, right = (builder.fsub(m[k], m[k + 1]) for k in (1, 3))

    def both_points(power: int, a: Any, b: Any) -> Any:
        return e.fma(e.constant(NEAR**power / -1.5), a, builder.fmul(e.constant(FAR**power / 6.0), b))

    return [
        builder.fadd(m[0], both_points(0, near, far)),
        both_points(1, left, right),
        builder.fadd(both_points(2, near, far), m[5]),
    ]


@intrinsic
def _widen(typing: Any, errors: Any, at: Any, line: Any, channels: Any, count: Any, out: Any, to: Any, apart: Any):
    """Write A e Aᵀ of `count` channels of the errors at one place, `apart` numbers from one product to the next."""
    del typing, at, line, channels, count, to, apart
    n = types.intp

    return types.void(errors, n, n, n, n, out, n, n), spread_out(_widened, SIDE)


@intrinsic
def _narrow(typing: Any, total: Any, at: Any, apart: Any, count: Any, out: Any, to: Any, tap: Any):
    """Write Gᵀ m G of `count` channels of sums of products, `tap` numbers from one tap of the kernel to the next."""
    del typing, at, apart, count, to, tap
    n = types.intp

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        e = Emitter(context, builder, signature, arguments, 0)
        _, at, apart, count, _, to, tap = arguments
        start, end = e.pointer(0, at), e.pointer(4, to)

        def body(k: Any, sums: list[Any]) -> list[Any]:
            c = builder.mul(k, e.number(e.width))

            def entry(p: int) -> Any:
                return e.load(e.moved(start, builder.add(builder.mul(apart, e.number(p)), c)))

            found = both(_narrowed, e, [[entry(READ * a + b) for b in range(READ)] for a in range(READ)])
            for t, value in enumerate(found):
                e.store(value, e.moved(end, builder.add(builder.mul(tap, e.number(t)), c)))
            return sums

        e.loop(builder.sdiv(count, e.number(e.width)), [], body)
        return context.get_dummy_value()

    return types.void(total, n, n, n, out, n, n), emit


@part
def added_tiles(windows, errors, samples, first, count, frame, around, steps, turned, spread, total):
    """Add products of tiles to `total` (POINTS, channels, n), in `count` of the images' channels from `first` on.

    Entries of a tile begin `steps` apart; a panel of errors holds those of all tiles.
    """
    stay_apart()
    tall, wide = around.tall // SIDE, around.wide // SIDE
    for begin in range(0, samples * tall * wide, frame.tiles):
        tiles = min(frame.tiles, samples * tall * wide - begin)
        _prepared(windows, errors, begin, tiles, tall, wide, first, count, frame, around, steps[1], turned, spread)
        _added(tiles, count, around.channels, frame.tiles, steps, turned, spread, total)


@part
def _prepared(windows, errors, begin, tiles, tall, wide, first, count, frame, around, step, turned, spread):
    """Write what is multiplied of tiles from `begin` on."""
    stay_apart()
    panel, n = WIDE * (VECTOR_BYTES // windows.itemsize), around.channels
    line, below = frame.wide * frame.channels, around.wide * n
    for t in range(tiles):
        i, r, c = (begin + t) // (tall * wide), (begin + t) // wide % tall, (begin + t) % wide
        at = (i * frame.tall + SIDE * r) * line + SIDE * c * frame.channels + first
        turn(windows, at, line, frame.channels, count, turned, t * step, frame.tiles * step + ASIDE)
        at = (i * around.tall + SIDE * r) * below + SIDE * c * n
        for j in range(0, n, panel):
            own = min(panel, n - j)
            _widen(errors, at + j, below, n, own, spread, j * tiles + t * own, frame.tiles * n + ASIDE)


@part
def _added(tiles, count, n, most, steps, turned, spread, total):
    """Add entries times errors, point by point."""
    stay_apart()
    panel, step = WIDE * (VECTOR_BYTES // turned.itemsize), steps[1]
    for p in range(POINTS):
        entries = unchecked_slice(turned, p * (most * step + ASIDE), tiles * step)
        for j in range(0, n, panel):
            own = min(panel, n - j)
            errors = p * (most * n + ASIDE) + j * tiles
            for c in range(0, count, TALL):
                to = p * (step * n + ASIDE) + c * n + j
                if own == panel:
                    _two(entries, steps, c, tiles, spread, errors, own, total, to, n)
                else:
                    _one(entries, steps, c, tiles, spread, errors, own, total, to, n)


@part
def narrowed(total, first, count, channels, n, out):
    """Write what sums of products make of the kernel's gradient (3, 3, channels, n) in channels from `first` on."""
    stay_apart()
    step = (len(total) // POINTS - ASIDE) // n
    for c in range(count):
        _narrow(total, c * n, step * n + ASIDE, n, out, (first + c) * n, channels * n)
