"""What follows a convolution: an activation, a factor and a pool, for one sample at a time, and the pullback."""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import NamedTuple

from pcsim_numba.kernels.activations import activate
from pcsim_numba.kernels.compiled import part, stay_apart
from pcsim_numba.kernels.rows import multiplied, scale
from pcsim_numba.kernels.unchecked_slice import unchecked_slice


class Ending(NamedTuple):
    """Activation, then `factor`, then a pool of tiles of `tile_rows` by `tile_columns`: 1 by 1 for none.

    It is given images of `rows` by `columns` places with `channels`. `largest` tells which pool it is, and `curved`
    whether its pullback needs slopes, which are there for every entry before the pool: those of entries that the pool
    leaves out are zero.
    """

    activation: int
    negative_slope: float
    factor: float
    rows: int
    columns: int
    channels: int
    tile_rows: int
    tile_columns: int
    largest: bool
    curved: bool


@part
def ended(made, ld, ending, i, out, slopes):
    """Write what the ending makes of sample i, (places, ld) in `made`, which is spent."""
    stay_apart()
    n, places = ending.channels, ending.rows * ending.columns
    if ending.curved:
        own = unchecked_slice(slopes, i * places * n, places * n)
        if ld == n:
            activate(ending.activation, ending.negative_slope, made, own)
        else:
            for p in range(places):
                values = unchecked_slice(made, p * ld, n)
                activate(ending.activation, ending.negative_slope, values, unchecked_slice(own, p * n, n))
        if ending.tile_rows * ending.tile_columns > 1:
            rows, columns = ending.rows // ending.tile_rows, ending.columns // ending.tile_columns
            _pooled(made, ld, ending, unchecked_slice(out, i * rows * columns * n, rows * columns * n), own)
            return
        scale(own, ending.factor)
    if ld == n:
        multiplied(made, ending.factor, unchecked_slice(out, i * places * n, places * n))
    else:
        for p in range(places):
            multiplied(unchecked_slice(made, p * ld, n), ending.factor, unchecked_slice(out, (i * places + p) * n, n))


@part
def _pooled(values, ld, ending, out, slopes):
    """Write the pool of one sample, and what it leaves of the slopes."""
    rows, columns, n = ending.rows // ending.tile_rows, ending.columns // ending.tile_columns, ending.channels
    for r in range(ending.rows):
        begin = columns * ending.tile_columns if r < rows * ending.tile_rows else 0
        for k in range((r * ending.columns + begin) * n, (r + 1) * ending.columns * n):
            slopes[k] = 0
    for r in range(rows):
        for c in range(columns):
            place = r * ending.tile_rows * ending.columns + c * ending.tile_columns
            tile = unchecked_slice(out, (r * columns + c) * n, n)
            if ending.largest:
                _largest(values, ld, ending, place, tile, slopes)
            else:
                _mean(values, ld, ending, place, tile, slopes)


@part
def _largest(values, ld, ending, place, out, slopes):
    """Write the largest entries of a tile, and the slopes of the first that is as large, zeros elsewhere."""
    n, real = ending.channels, values.dtype.type
    factor, nothing = real(ending.factor), real(0)
    # The first entries are spent by then: from here on they tell which entry leads.
    leaders = unchecked_slice(values, place * ld, n)
    for c in range(n):
        out[c] = leaders[c]
        leaders[c] = nothing
    for a in range(ending.tile_rows):
        for b in range(ending.tile_columns):
            if a + b > 0:
                row = unchecked_slice(values, (place + a * ending.columns + b) * ld, n)
                _lead(row, out, leaders, real(a * ending.tile_columns + b))
    for a in range(ending.tile_rows):
        for b in range(ending.tile_columns):
            slope = unchecked_slice(slopes, (place + a * ending.columns + b) * n, n)
            number = real(a * ending.tile_columns + b)
            for c in range(n):
                slope[c] = factor * slope[c] if leaders[c] == number else nothing
    for c in range(n):
        out[c] *= factor


@part
def _lead(row, out, leaders, number):
    """Let entries of a row that are larger take the lead."""
    for c in range(len(row)):
        value, before = row[c], out[c]
        ahead = value > before
        out[c] = value if ahead else before
        leaders[c] = number if ahead else leaders[c]


@part
def _mean(values, ld, ending, place, out, slopes):
    """Write the means of a tile, and equal shares of the slopes."""
    n, real = ending.channels, values.dtype.type
    share = real(1.0 / (ending.tile_rows * ending.tile_columns))
    factor = real(ending.factor)
    for c in range(n):
        out[c] = 0
    for a in range(ending.tile_rows):
        for b in range(ending.tile_columns):
            at = place + a * ending.columns + b
            row, slope = unchecked_slice(values, at * ld, n), unchecked_slice(slopes, at * n, n)
            for c in range(n):
                out[c] += factor * row[c]
                slope[c] *= factor * share
    for c in range(n):
        out[c] *= share


@part
def pulled(errors, slopes, i, ending, into, ld):
    """Write what the pullback makes of the errors of sample i, (places, ld) in `into`."""
    stay_apart()
    n, places, wide = ending.channels, ending.rows * ending.columns, ending.columns // ending.tile_columns
    count = (ending.rows // ending.tile_rows) * wide * n
    above = unchecked_slice(errors, i * count, count)
    if not ending.curved:
        for p in range(places):
            multiplied(unchecked_slice(above, p * n, n), ending.factor, unchecked_slice(into, p * ld, n))
        return
    own = unchecked_slice(slopes, i * places * n, places * n)
    for r in range(ending.rows):
        for c in range(ending.columns):
            p, tile = r * ending.columns + c, (r // ending.tile_rows) * wide + c // ending.tile_columns
            to, slope = unchecked_slice(into, p * ld, n), unchecked_slice(own, p * n, n)
            if r // ending.tile_rows < ending.rows // ending.tile_rows and c // ending.tile_columns < wide:
                error = unchecked_slice(above, tile * n, n)
                for k in range(n):
                    to[k] = error[k] * slope[k]
            else:
                for k in range(n):
                    to[k] = 0
