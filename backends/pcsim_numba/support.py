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
MISSING: dict[type[Inference], str] = {
    Halving: "inference.step_halving",
}
OTHERS = 'use backend = "jax" or "numpy"'


def check(inference: Inference) -> None:
    """Raise `UsageError` for inference without kernels."""
    if type(inference) not in METHODS:
        what = MISSING.get(type(inference), type(inference).__name__)
        raise UsageError(f"numba has no kernels for {what}; {OTHERS}")
