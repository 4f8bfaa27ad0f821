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
from pcsim.network import Network

METHODS: tuple[type[Inference], ...] = (
    StateOptimization,
    FixedPredictions,
    SequentialStateOptimization,
    ErrorOptimization,
    Backprop,
)
MISSING: dict[type[Inference], str] = {
    IncrementStateOptimization: 'the increment form (inference.form = "increment")',
    IncrementSequentialStateOptimization: 'the increment form (inference.form = "increment")',
    Halving: "inference.step_halving",
}
OTHERS = 'use backend = "jax" or "numpy"'


def check(inference: Inference) -> None:
    """Raise `UsageError` for inference without kernels."""
    network: Network = inference.energy.network
    if network.has_free_input:
        raise UsageError(f'numba has no kernels for a free input (inference.input = "free"); {OTHERS}')
    if type(inference) not in METHODS:
        what = MISSING.get(type(inference), type(inference).__name__)
        raise UsageError(f"numba has no kernels for {what}; {OTHERS}")
