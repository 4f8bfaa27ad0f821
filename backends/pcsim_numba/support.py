"""What there are kernels for, and what is said of the rest before anything starts."""

from pcsim.engine.lowering import Kernels, lowered_method
from pcsim.inference import Inference, unhalved

KERNELS = Kernels("numba", 'use backend = "jax" or "numpy"')


def check(inference: Inference) -> None:
    """Raise `UsageError` for inference without kernels."""
    lowered_method(KERNELS, unhalved(inference))
