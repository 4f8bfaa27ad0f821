"""A free input: inference on the network that has its input as one more state."""

from pcsim.inference.base import Inference
from pcsim.inference.halving import with_energy


def with_free_input(inference: Inference) -> Inference:
    """Return the same method on the energy with a free input: its first variable is that of the input."""
    return with_energy(inference, inference.energy.with_free_input())
