"""What there are kernels for, and what is said of the rest before anything starts."""

import numpy as np

from pcsim.errors import UsageError
from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    FixedPredictions,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    Inference,
    SequentialStateOptimization,
    StateOptimization,
    is_masked,
)
from pcsim.inference.steppers import Adam, Decaying, GradientDescent, Momentum, Stepper, undecayed
from pcsim.model.arithmetic import Arithmetic, check_arithmetic

METHODS: tuple[type[Inference], ...] = (
    StateOptimization,
    FixedPredictions,
    SequentialStateOptimization,
    IncrementStateOptimization,
    IncrementSequentialStateOptimization,
    ErrorOptimization,
    Backprop,
)
STEPPERS = (GradientDescent, Momentum, Adam, Decaying)
OTHERS = 'use backend = "jax" or "numpy"'
HALVING = f"cupy has no kernels for inference.step_halving; {OTHERS}"
MASKS = f"cupy has no kernels for masked inputs and outputs; {OTHERS}"
ROUNDING = (
    "cupy rounds to nearest and accumulates in float32; drop inference.rounding and inference.accumulate, or use "
    'backend = "numpy"'
)
TRAINING = 'cupy trains in float32 and float64; use one of these, or backend = "jax" for bfloat16'


def check(inference: Inference, stepper: Stepper) -> None:
    """Raise `UsageError` for inference without kernels."""
    if inference.traits.halves_steps:
        raise UsageError(HALVING)
    if is_masked(inference):
        raise UsageError(MASKS)
    if type(inference) not in METHODS:
        raise UsageError(f"cupy has no kernels for {type(inference).__name__}; {OTHERS}")
    if not isinstance(stepper, STEPPERS):
        raise UsageError(f"cupy has no kernels for {type(stepper).__name__}; {OTHERS}")


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
