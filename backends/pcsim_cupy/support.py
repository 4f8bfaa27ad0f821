"""What there are kernels for, and what is said of the rest before anything starts."""

import numpy as np

from pcsim.arithmetic import Arithmetic, check_arithmetic
from pcsim.errors import UsageError
from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    FixedPredictions,
    Halving,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    Inference,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.steppers import Adam, Decaying, GradientDescent, Momentum, Stepper, undecayed

METHODS: tuple[type[Inference], ...] = (
    StateOptimization,
    FixedPredictions,
    SequentialStateOptimization,
    IncrementStateOptimization,
    IncrementSequentialStateOptimization,
    ErrorOptimization,
    Backprop,
)
MISSING: dict[type[Inference], str] = {
    Halving: "inference.step_halving",
}
STEPPERS = (GradientDescent, Momentum, Adam, Decaying)
OTHERS = 'use backend = "jax" or "numpy"'


def check(inference: Inference, stepper: Stepper) -> None:
    """Raise `UsageError` for inference without kernels."""
    if type(inference) not in METHODS:
        what = MISSING.get(type(inference), type(inference).__name__)
        raise UsageError(f"cupy has no kernels for {what}; {OTHERS}")
    if not isinstance(stepper, STEPPERS):
        raise UsageError(f"cupy has no kernels for {type(stepper).__name__}; {OTHERS}")


def check_rounding(precision: str, arithmetic: Arithmetic, stepper: Stepper) -> None:
    """Raise `UsageError` for a rounding law or an accumulator other than the hardware's, and for an ε that is 0."""
    check_arithmetic(precision, arithmetic)
    for key, value, own in (
        ("rounding", arithmetic.rounding, "nearest"),
        ("accumulate", arithmetic.accumulate, "float32"),
    ):
        if value != own:
            raise UsageError(f'cupy has no kernels for inference.{key} = "{value}"; use backend = "numpy"')
    plain = undecayed(stepper)
    if precision == "float16" and isinstance(plain, Adam) and np.float16(plain.eps) == 0:
        raise UsageError(f"inference.eps = {plain.eps:g} is 0 in float16; give 1e-7 or more, 1e-4 is safe")


def check_training(precision: str) -> None:
    """Raise `UsageError` for a precision that weights are not kept in."""
    if precision not in ("float32", "float64"):
        raise UsageError(f'cupy trains in float32 and float64, not in {precision}; use backend = "jax" for bfloat16')
