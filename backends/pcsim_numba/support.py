"""What there are kernels for, and what is said of the rest before anything starts."""

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
    unhalved,
)

METHODS: tuple[type[Inference], ...] = (
    StateOptimization,
    FixedPredictions,
    SequentialStateOptimization,
    IncrementStateOptimization,
    IncrementSequentialStateOptimization,
    ErrorOptimization,
    Backprop,
)
OTHERS = 'use backend = "jax" or "numpy"'
MASKS = f"numba has no kernels for masked inputs and outputs; {OTHERS}"


def check(inference: Inference) -> None:
    """Raise `UsageError` for inference without kernels."""
    if is_masked(inference):
        raise UsageError(MASKS)
    kind = type(unhalved(inference))
    if kind not in METHODS:
        raise UsageError(f"numba has no kernels for {kind.__name__}; {OTHERS}")
