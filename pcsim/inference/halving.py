"""Step sizes that are halved where the energy rises, sample by sample (Song et al. 2024)."""

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from jaxtyping import Bool, Shaped

from pcsim.inference.base import Carry, Inference, Traits
from pcsim.inference.steppers import Memory, Stepper
from pcsim.inference.wrapping import Wrapping
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Evaluation, States


class Halved(NamedTuple):
    """What the method carries, the total energy before its last step (wide) and the share that is left of a step."""

    carry: Carry
    energy: Shaped[Array, " batch"]
    share: Shaped[Array, " batch"]


@dataclass(frozen=True)
class Halving(Wrapping):
    """Another method, each sample's step size halved whenever its total energy has risen in the last step.

    A sample has a step size of its own, so that its trajectory does not depend on its batch.
    """

    @property
    def traits(self) -> Traits:
        """What the method is, with steps that are halved."""
        return replace(self.inference.traits, halves_steps=True)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Halved:
        """Return the method's carry with whole steps; nothing has risen yet."""
        carry = self.inference.begin(xp, clamped, initial, stepper)
        highest = xp.zeros_like(xp.sum_of_squares(clamped.y)) + math.inf
        return Halved(carry, highest, xp.max(xp.zeros_like(clamped.y), axis=1) + 1.0)

    def evaluate(self, xp: Namespace, clamped: Clamped, carry: Halved) -> Evaluation:
        """Return the method's evaluation."""
        return self.inference.evaluate(xp, clamped, carry.carry)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Halved, stepper: Stepper, step: Any
    ) -> Halved:
        """Take the method's step with what is left of each sample's step size."""
        energy = self.energy.total(xp, clamped, point)
        rises: Bool[Array, " batch"] = energy > carry.energy
        share = xp.where(rises, 0.5 * carry.share, carry.share)
        moved = self.inference.advance(xp, clamped, point, carry.carry, _Shortened(stepper, share), step)
        return Halved(moved, energy, share)


@dataclass(frozen=True)
class _Shortened:
    """Another stepper whose increments are multiplied by a share for every sample."""

    stepper: Stepper
    share: Shaped[Array, " batch"]

    def begin(self, xp: Namespace, variable: Array) -> Memory:
        return self.stepper.begin(xp, variable)

    def increment(self, xp: Namespace, gradient: Array, memory: Memory, step: Any) -> tuple[Array, Memory]:
        delta, memory = self.stepper.increment(xp, gradient, memory, step)
        share = self.share.reshape(delta.shape[0], *[1] * (len(delta.shape) - 1))
        return share * delta, memory


def unhalved(inference: Inference) -> Inference:
    """Return the method whose step sizes are halved, or that itself whose are not."""
    return inference.inference if isinstance(inference, Halving) else inference
