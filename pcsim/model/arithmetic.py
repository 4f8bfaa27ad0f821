"""How a run rounds: what a scenario may ask of a narrow format beyond its name."""

import re
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from pcsim.errors import UsageError, did_you_mean

EXACT_BITS = 256
"""Relative accuracy, in bits, that the precision "exact" asks for."""


@dataclass(frozen=True)
class Format:
    """A floating-point format: bits of the significand, the first one included, and the smallest normal number."""

    bits: int
    smallest: float

    @property
    def unit(self) -> float:
        """The distance from 1 to the next number."""
        return 2.0 ** (1 - self.bits)

    @property
    def limit(self) -> float:
        """The magnitude from which numbers are rounded to infinity; itself infinite for float64."""
        return (2.0 - self.unit / 2) * (2.0 / self.smallest)


FORMATS = {
    "bfloat16": Format(8, 2.0**-126),
    "float16": Format(11, 2.0**-14),
    "float32": Format(24, 2.0**-126),
    "float64": Format(53, 2.0**-1022),
}
NARROW = ("float16", "bfloat16")


def is_exact(precision: str) -> bool:
    """Tell whether a precision is the word "exact" or a number of bits, `{ bits = 512 }`."""
    return precision == "exact" or precision.startswith("{")


def significand_bits(precision: str) -> int:
    """Return how many bits of accuracy a precision has, or asks for."""
    if precision in FORMATS:
        return FORMATS[precision].bits
    found = re.search(r"\d+", precision)
    return int(found[0]) if found else EXACT_BITS


def overflow_limit(precision: str) -> float:
    """Return the magnitude from which finite float64 numbers become infinite in a precision; infinity for wide ones."""
    return FORMATS[precision].limit if precision in FORMATS else np.inf


def dtype_of(precision: str) -> np.dtype[Any]:
    """Return the type that parameters of a run have on the host; exact ones are float64."""
    if is_exact(precision):
        return np.dtype(np.float64)
    return np.dtype(ml_dtypes.bfloat16 if precision == "bfloat16" else precision)


ROUNDINGS = ("nearest", "stochastic")
ACCUMULATORS = ("float32", *NARROW)


@dataclass(frozen=True)
class Arithmetic:
    """How results in float16 and bfloat16 are rounded; runs in any other precision take the defaults."""

    rounding: str = "nearest"
    """The law results are rounded by: nearest (ties to even) or stochastic."""
    accumulate: str = "float32"
    """The format that products and sums are accumulated in: float32, float16 or bfloat16."""
    seed: int = 0
    """The seed of stochastic rounding."""


def check_arithmetic(precision: str, arithmetic: Arithmetic) -> None:
    """Raise `UsageError` for an unknown word, or for one that this precision has no use for."""
    for key, value, default, allowed in (
        ("rounding", arithmetic.rounding, "nearest", ROUNDINGS),
        ("accumulate", arithmetic.accumulate, "float32", ACCUMULATORS),
    ):
        if value not in allowed:
            raise UsageError(
                f'inference.{key} = "{value}" is not allowed; give one of {", ".join(allowed)}'
                f"{did_you_mean(value, list(allowed))}"
            )
        if value != default and precision not in NARROW:
            raise UsageError(
                f'inference.{key} = "{value}" is for the precisions {" and ".join(NARROW)}, not {precision}; '
                f'set backend.precision to one of them or inference.{key} = "{default}"'
            )


def hardware_rounding(backend: str) -> str:
    """Return what a backend says whose narrow formats are rounded and accumulated as hardware does it."""
    return (
        f"{backend} rounds to nearest and accumulates in float32; drop inference.rounding and inference.accumulate, or "
        'use backend = "numpy"'
    )


def check_hardware_rounding(backend: str, precision: str, arithmetic: Arithmetic) -> None:
    """Raise `UsageError` for a rounding law or an accumulator other than the hardware's."""
    check_arithmetic(precision, arithmetic)
    if (arithmetic.rounding, arithmetic.accumulate) != ("nearest", "float32"):
        raise UsageError(hardware_rounding(backend))
