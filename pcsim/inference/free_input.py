"""A free input: inference on the network that has its input as one more state."""

from dataclasses import replace
from typing import Any, cast

from pcsim.inference.base import Inference


def with_free_input(inference: Inference) -> Inference:
    """Return the same method on the energy with a free input: its first variable is that of the input."""
    return replace(cast("Any", inference), energy=inference.energy.with_free_input())
