"""A free input: inference on the network that has its input as one more state."""

import numpy as np

from pcsim.inference.base import Inference
from pcsim.model.losses import PartlyClamped
from pcsim.typing import NDArray


def with_free_input(inference: Inference, held: tuple[bool, ...] = ()) -> Inference:
    """Return the same method on the energy with a free input: its first variable is that of the input.

    Units of the input that are `held` (a flag each, none where empty) do not move.
    """
    return inference.with_energy(inference.energy.with_free_input(held))


def first_variable(inference: Inference, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where the variable of a free input that starts at x begins: errors are counted from x already."""
    return np.zeros_like(x) if inference.traits.moves_errors else x


def is_masked(inference: Inference) -> bool:
    """Return whether some units of the input are held beside free ones, or some of the output have no target."""
    start = inference.energy.network.start
    return isinstance(inference.energy.loss, PartlyClamped) or (start is not None and any(start.held))
