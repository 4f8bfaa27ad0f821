"""Random numbers that depend on nothing but what they are for, the same on every backend, in every batch and order.

Nothing is remembered from draw to draw: a counter is enciphered anew for every number (Salmon et al. 2011).
"""

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Integer, UInt32

from pcsim.model.arrays import Array
from pcsim.typing import NDArray

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = np.uint32(0x1BD11BDA)
HALF = 2.0**26
"""How many numbers each word of a uniform draw can be: it has 52 bits and is in the middle of two, never 0 or 1."""


@runtime_checkable
class DrawingNamespace(Protocol):
    """A namespace that knows the inverse of the normal distribution function."""

    def normal_quantile(self, x: Array, /) -> Array:
        """Return z with Φ(z) = x, elementwise."""
        ...


def threefry(
    key: tuple[Array, Array], counter: tuple[Array, Array]
) -> tuple[UInt32[Array, "*shape"], UInt32[Array, "*shape"]]:
    """Return Threefry-2x32 with 20 rounds, elementwise over arrays of uint32 that broadcast.

    Source: Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3.
    """
    words = (*key, key[0] ^ key[1] ^ PARITY)
    a, b = counter[0] + words[0], counter[1] + words[1]
    for group in range(5):
        for turn in range(4):
            left = ROTATIONS[4 * (group % 2) + turn]
            a = a + b
            b = ((b << left) | (b >> (32 - left))) ^ a
        a = a + words[(group + 1) % 3]
        b = b + words[(group + 2) % 3] + np.uint32(group + 1)
    return a, b


def seed_words(seed: int) -> UInt32[NDArray[np.uint32], "2"]:
    """Return the two words of a seed, as `normals` takes it."""
    return np.array(divmod(seed, 2**32), dtype=np.uint32)


def normals(
    xp: DrawingNamespace,
    seed: UInt32[Array, "2"],
    update: Any,
    samples: Integer[Array, " batch"],
    step: Any,
    units: int,
) -> Float64[Array, "batch units"]:
    """Return draws from the standard normal distribution for all units of samples, by number, in a step of an update.

    `update` and `step` are whole numbers, be it of a floating-point type, one for all or (batch, 1). Numpy's and JAX's
    draws differ by rounding of the quantile alone.
    """
    index = samples.astype(np.uint32)[:, None]
    key = threefry((seed[:1], seed[1:]), (index, _word(update, index)))
    high, low = threefry(key, (_word(step, index), np.arange(units, dtype=np.uint32)[None]))
    uniform = ((high >> 6).astype(np.float64) * HALF + (low >> 6).astype(np.float64) + 0.5) / HALF**2
    return xp.normal_quantile(uniform)


def _word(number: Any, like: UInt32[Array, "batch 1"]) -> UInt32[Array, "batch 1"]:
    """Return a whole number below 2³² for every sample."""
    return (0.0 * like + number).astype(np.uint32)
