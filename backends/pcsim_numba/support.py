"""What there are kernels for, and what is said of the rest before anything starts."""

from pcsim.engine.lowering import lowered_method, masks
from pcsim.inference import Inference, unhalved

MASKS = masks("numba")


def check(inference: Inference) -> None:
    """Raise `UsageError` for inference without kernels."""
    lowered_method("numba", unhalved(inference))
