"""Losses of outputs that are free, all of their units or those that a mask hides."""

from dataclasses import dataclass

import numpy as np

from pcsim.model.arrays import Array, Namespace
from pcsim.model.losses.loss import Bound, Directions, Loss, Outputs, PerSample
from pcsim.model.losses.squared_error import SoftClampedSquaredError, SquaredError


@dataclass(frozen=True)
class NoTarget(Loss):
    """ℓ = 0: a free output, whose state is its prediction; the equilibrium is the feedforward pass."""

    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return 0 for every sample."""
        return xp.sum_of_squares(xp.zeros_like(output))

    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return zeros."""
        return xp.zeros_like(output)

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Return 0."""
        return 0.0

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return zeros."""
        return xp.zeros_like(v)

    def output_state(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return the output."""
        return output


@dataclass(frozen=True)
class PartlyClamped(Loss):
    """A squared error in which masked output units take no part: each is its own target, as if its output were free.

    `masked` tells for every output unit whether it is; `loss` is a squared error, clamped hard or softly.
    """

    loss: SquaredError | SoftClampedSquaredError
    masked: tuple[bool, ...]

    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return the loss of every sample over the known units."""
        return self.loss.value(xp, output, self._completed(xp, output, target))

    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return the output error, zero at masked units."""
        return self.loss.error(xp, output, self._completed(xp, output, target))

    def output_state(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return the output at masked units, and what the loss says at known ones."""
        return xp.where(np.array(self.masked), output, self.loss.output_state(xp, output, target))

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Return that of the squared error: some units are known."""
        return self.loss.curvature_bound(xp, target)

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return that of the squared error at known units, zeros at masked ones."""
        return xp.where(np.array(self.masked), xp.zeros_like(v), self.loss.curvature(xp, output, target, v))

    def _completed(self, xp: Namespace, output: Array, target: Array) -> Array:
        return xp.where(np.array(self.masked), output, target)
