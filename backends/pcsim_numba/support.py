"""What there are kernels for, and what is said of the rest before anything starts."""

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
HALVING = f"numba has no kernels for inference.step_halving; drop it, or {OTHERS}"


def check(inference: Inference) -> None:
    """Raise `UsageError` for inference without kernels."""
    if isinstance(inference, Halving):
        raise UsageError(HALVING)
    if type(inference) not in METHODS:
        raise UsageError(f"numba has no kernels for {type(inference).__name__}; {OTHERS}")
