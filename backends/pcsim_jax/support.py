"""What JAX is given to do, and what is said of the rest before anything starts."""

from pcsim.model.arithmetic import hardware_rounding

PRECISIONS = ("bfloat16", "float32", "float64")
ARITHMETIC = hardware_rounding("jax")
FLOWS = (
    "jax has continuous time in float32 and float64 alone: sums of many small steps need more digits; use one of these"
)
SOLVERS = ("euler", "heun", "midpoint", "bosh3", "tsit5", "dopri5", "dopri8", "kvaerno3", "kvaerno5")
