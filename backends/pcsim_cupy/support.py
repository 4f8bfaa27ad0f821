"""What there are kernels for, and what is said of the rest before anything starts."""

from pcsim_numpy.support import check_eps

from pcsim.engine.lowering import Kernels, lowered_method, lowered_stepper
from pcsim.errors import UsageError
from pcsim.inference import Inference
from pcsim.inference.steppers import Stepper
from pcsim.model.arithmetic import Arithmetic, check_arithmetic

KERNELS = Kernels("cupy", 'use backend = "jax" or "numpy"')
HALVING = KERNELS.without("inference.step_halving")
ROUNDING = (
    "cupy rounds to nearest and accumulates in float32; drop inference.rounding and inference.accumulate, or use "
    'backend = "numpy"'
)
TRAINING = 'cupy trains in float32 and float64; use one of these, or backend = "jax" for bfloat16'


def check(inference: Inference, stepper: Stepper) -> None:
    """Raise `UsageError` for inference without kernels."""
    if inference.traits.halves_steps:
        raise UsageError(HALVING)
    lowered_method(KERNELS, inference)
    lowered_stepper(KERNELS, stepper)


def check_rounding(precision: str, arithmetic: Arithmetic, stepper: Stepper) -> None:
    """Raise `UsageError` for a rounding law or an accumulator other than the hardware's, and for an ε that is 0."""
    check_arithmetic(precision, arithmetic)
    if (arithmetic.rounding, arithmetic.accumulate) != ("nearest", "float32"):
        raise UsageError(ROUNDING)
    check_eps(precision, stepper)


def check_training(precision: str) -> None:
    """Raise `UsageError` for a precision that weights are not kept in."""
    if precision not in ("float32", "float64"):
        raise UsageError(TRAINING)
