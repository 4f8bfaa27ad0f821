"""What there are kernels for, and what is said of the rest before anything starts."""

import numpy as np

from pcsim.engine.lowering import lowered_method, lowered_stepper, masks, without_kernels
from pcsim.errors import UsageError
from pcsim.inference import Inference
from pcsim.inference.steppers import Adam, Stepper, undecayed
from pcsim.model.arithmetic import Arithmetic, check_arithmetic

HALVING = without_kernels("cupy", "inference.step_halving")
MASKS = masks("cupy")
ROUNDING = (
    "cupy rounds to nearest and accumulates in float32; drop inference.rounding and inference.accumulate, or use "
    'backend = "numpy"'
)
TRAINING = 'cupy trains in float32 and float64; use one of these, or backend = "jax" for bfloat16'


def check(inference: Inference, stepper: Stepper) -> None:
    """Raise `UsageError` for inference without kernels."""
    if inference.traits.halves_steps:
        raise UsageError(HALVING)
    lowered_method("cupy", inference)
    lowered_stepper("cupy", stepper)


def check_rounding(precision: str, arithmetic: Arithmetic, stepper: Stepper) -> None:
    """Raise `UsageError` for a rounding law or an accumulator other than the hardware's, and for an ε that is 0."""
    check_arithmetic(precision, arithmetic)
    if (arithmetic.rounding, arithmetic.accumulate) != ("nearest", "float32"):
        raise UsageError(ROUNDING)
    plain = undecayed(stepper)
    if precision == "float16" and isinstance(plain, Adam) and np.float16(plain.eps) == 0:
        raise UsageError(f"inference.eps = {plain.eps:g} is 0 in float16; give 1e-7 or more, 1e-4 is safe")


def check_training(precision: str) -> None:
    """Raise `UsageError` for a precision that weights are not kept in."""
    if precision not in ("float32", "float64"):
        raise UsageError(TRAINING)
