"""What JAX is given to do, and what is said of the rest before anything starts."""

from pcsim.errors import UsageError
from pcsim.model.arithmetic import Arithmetic, check_arithmetic

PRECISIONS = ("bfloat16", "float32", "float64")
ARITHMETIC = (
    "jax rounds to nearest and accumulates in float32; drop inference.rounding and inference.accumulate, or use "
    'backend = "numpy"'
)
FLOWS = (
    "jax has continuous time in float32 and float64 alone: sums of many small steps need more digits; use one of these"
)
SOLVERS = ("euler", "heun", "midpoint", "bosh3", "tsit5", "dopri5", "dopri8", "kvaerno3", "kvaerno5")


def check_rounding(precision: str, arithmetic: Arithmetic) -> None:
    """Raise `UsageError` for a rounding law or an accumulator other than the hardware's."""
    check_arithmetic(precision, arithmetic)
    if (arithmetic.rounding, arithmetic.accumulate) != ("nearest", "float32"):
        raise UsageError(ARITHMETIC)
