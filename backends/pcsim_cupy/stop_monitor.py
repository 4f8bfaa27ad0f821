"""What the host makes of what steps leave behind: who has been reached, and whether the stop rule is met."""

from functools import partial
from typing import NamedTuple

import numpy as np

from pcsim.inference.stopping import StopRule
from pcsim.typing import NDArray


class Looks(NamedTuple):
    """What `look` leaves of steps: energies and squares of the gradient's norms, and whether there were errors.

    Each is (steps, layers, batch), or without the first axis that of one step.
    """

    energies: NDArray[np.float64]
    squares: NDArray[np.float64]
    presence: NDArray[np.uint8]

    def at(self, k: int) -> "Looks":
        """Return what one step left."""
        return Looks(*(array[k] for array in self))


class StopMonitor:
    """Sees what a batch leaves, one step after another; `arrivals` are the arrival steps so far, −1 before."""

    def __init__(self, layers: int, batch: int, rule: StopRule | None) -> None:
        self.arrivals = np.full(layers, -1, np.int64)
        self._rule, self._before = rule, np.full((layers, batch), np.inf)

    def is_met(self, step: int, row: Looks) -> bool:
        """Take note of a step, and return whether the stop rule holds there."""
        self.arrivals[(self.arrivals < 0) & row.presence.any(axis=1)] = step
        before, self._before = self._before, row.energies
        if self._rule is None:
            return False
        everywhere = (self.arrivals >= 0).all()
        return bool(self._rule.is_met(partial(_norm, row.squares), row.energies, before, everywhere))


def _norm(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(squares[:-1].sum(axis=0))
