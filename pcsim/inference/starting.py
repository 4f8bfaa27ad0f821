"""Inference that starts elsewhere than at a feedforward pass, in every update anew."""

from dataclasses import dataclass, field, replace
from typing import Any, cast

from pcsim.inference.base import Carry, EndingInference, Inference, Traits
from pcsim.inference.drawing import Drawing
from pcsim.inference.langevin import Langevin
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Clamped, Evaluation, States


@dataclass(frozen=True)
class StartingAt(Drawing):
    """A method whose variables start at zero or, if `normal`, at draws from the standard normal distribution.

    Steps count from 1: draws are those of step 0. Of the feedforward pass shapes and types are taken alone.
    """

    normal: bool = field(kw_only=True)

    @property
    def traits(self) -> Traits:
        """What the method is, with a start of its own."""
        inner = self.inference.traits
        return replace(inner, draws=inner.draws or self.normal, starts_elsewhere=True)

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Carry:
        """Return the carry of the method, from its own start unless another is given."""
        if initial is None:
            passed = self.energy.first_states(xp, clamped)
            initial = self.drawn(xp, clamped, passed, 0) if self.normal else tuple(map(xp.zeros_like, passed))
        return self.inference.begin(xp, clamped, initial, stepper)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Carry, stepper: Stepper, step: Any
    ) -> Carry:
        """Take the method's step."""
        return self.inference.advance(xp, clamped, point, carry, stepper, step)

    def ended(self, carry: Carry) -> Array:
        """Return whether the method has ended, where its steps end by themselves."""
        return cast("EndingInference", self.inference).ended(carry)


def for_evaluation(inference: Inference) -> Inference:
    """Return the method without noise and with its usual start, as evaluations take it."""
    while isinstance(inference, Langevin | StartingAt):
        inference = inference.inference
    return inference
