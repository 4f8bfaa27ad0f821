"""Passes over all numbers of a batch: the moments of channels, their normalisation, a step of errors."""

# Numba infers the types of what it compiles.
# pyright: basic

from typing import Any

from pcsim_numba.kernels.compiled import STAMP, entry
from pcsim_numba.kernels.rows import clear
from pcsim_numba.kernels.unchecked_slice import unchecked_slice

ROWS = 256
"""Whose sums are taken in the run's own type."""


def _compile_moments(stamp: int) -> Any:
    @entry
    def moments(values, centre, first, last, sums):
        """Write of blocks of rows, from `first` to before `last`, the sums of v = values − centre, then those of v²."""
        _ = stamp
        n = len(centre)
        rows = len(values) // n
        for block in range(first, last):
            once, twice = unchecked_slice(sums, 2 * block * n, n), unchecked_slice(sums, (2 * block + 1) * n, n)
            clear(once)
            clear(twice)
            for r in range(block * ROWS, min(rows, (block + 1) * ROWS)):
                row = unchecked_slice(values, r * n, n)
                for c in range(n):
                    v = row[c] - centre[c]
                    once[c] += v
                    twice[c] += v * v

    return moments


def _compile_scaled(stamp: int) -> Any:
    @entry
    def scaled(values, slope, shift, first, last, out):
        """Write slope · values + shift of rows from `first` to before `last`, one number of both for every channel."""
        _ = stamp
        n = len(slope)
        for r in range(first, last):
            row, to = unchecked_slice(values, r * n, n), unchecked_slice(out, r * n, n)
            for c in range(n):
                to[c] = slope[c] * row[c] + shift[c]

    return scaled


def _compile_stepped(stamp: int) -> Any:
    @entry
    def stepped(errors, pulled, precision, rate, out):
        """Write e − λ (γ e + g) of errors e and what is pulled back to them, g, rounded as numpy does it."""
        _ = stamp
        weight, size = errors.dtype.type(precision), errors.dtype.type(-rate)
        for k in range(len(out)):
            out[k] = errors[k] + size * (weight * errors[k] + pulled[k])

    return stepped


moments = _compile_moments(STAMP)
scaled = _compile_scaled(STAMP)
stepped = _compile_stepped(STAMP)
