"""Passes over rows of numbers."""

# Numba infers the types of what it compiles.
# pyright: basic

import math

import numpy as np

from pcsim_numba.kernels.compiled import part, summing


@summing
def sum_of_squares(values):
    """Return the sum of squares in float64."""
    total = 0.0
    for k in range(len(values)):
        wide = np.float64(values[k])
        total += wide * wide
    return total


@part
def clip(values, largest):
    """Shorten numbers to a norm if it is longer: those that are not all finite stay as they are.

    Squares are those of numbers divided by the largest of them: they neither underflow nor overflow.
    """
    size, total = 0.0, 0.0
    for k in range(len(values)):
        size = max(size, abs(np.float64(values[k])))
    if size > 0.0:
        for k in range(len(values)):
            entry = np.float64(values[k]) / size
            total += entry * entry
        limit = largest / math.sqrt(total)
        if size > limit:
            real = values.dtype.type
            for k in range(len(values)):
                values[k] = real(np.float64(values[k]) / size * limit)


@part
def any_nonzero(values):
    """Return whether any number is not zero."""
    found = False
    for k in range(len(values)):
        found |= values[k] != 0
    return found


@part
def clear(values):
    """Write zeros."""
    for k in range(len(values)):
        values[k] = 0


@part
def copy(values, into):
    """Copy numbers."""
    for k in range(len(values)):
        into[k] = values[k]


@part
def scale(into, factor):
    """Multiply numbers by a factor, rounded to their type."""
    if factor != 1.0:
        rounded = into.dtype.type(factor)
        for k in range(len(into)):
            into[k] *= rounded


@part
def add(into, values):
    """Add numbers."""
    for k in range(len(into)):
        into[k] += values[k]


@part
def subtract(into, values):
    """Subtract numbers."""
    for k in range(len(into)):
        into[k] -= values[k]


@part
def difference(a, b, into):
    """Write a − b."""
    for k in range(len(into)):
        into[k] = a[k] - b[k]


@part
def multiplied(values, factor, into):
    """Write numbers times a factor, rounded to their type."""
    rounded = into.dtype.type(factor)
    for k in range(len(into)):
        into[k] = rounded * values[k]


@part
def product(values, factor, factors, into):
    """Write numbers times a factor, rounded to their type, times factors of their own."""
    rounded = into.dtype.type(factor)
    for k in range(len(into)):
        into[k] = rounded * values[k] * factors[k]


@part
def times(into, factors):
    """Multiply numbers by factors of their own."""
    for k in range(len(into)):
        into[k] *= factors[k]


@part
def add_multiplied(into, factor, values):
    """Add numbers times a factor, rounded to their type."""
    if factor != 0.0:
        rounded = into.dtype.type(factor)
        for k in range(len(into)):
            into[k] += rounded * values[k]
