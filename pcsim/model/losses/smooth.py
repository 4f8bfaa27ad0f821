"""The base of losses of one's own: all that is needed is the value and the error."""

from abc import abstractmethod

from pcsim.errors import UsageError
from pcsim.model.arrays import Namespace
from pcsim.model.losses.loss import Bound, Directions, Loss, Outputs, PerSample
from pcsim.model.smooth import STEP, differences


class SmoothLoss(Loss):
    """A loss from its value and its error; its curvature follows.

    A subclass with fields is a frozen dataclass.
    """

    @abstractmethod
    def value(self, xp: Namespace, output: Outputs, target: Outputs) -> PerSample:
        """Return ℓ of every sample, (batch,), computed of `xp.wide` outputs and targets."""

    @abstractmethod
    def error(self, xp: Namespace, output: Outputs, target: Outputs) -> Outputs:
        """Return −∂ℓ/∂ŷ."""

    def curvature(self, xp: Namespace, output: Outputs, target: Outputs, v: Directions) -> Directions:
        """Return ∂²ℓ/∂ŷ² v by differences of the error."""
        size = xp.max(xp.abs(v), axis=1, keepdims=True)
        way = v / xp.where(size > 0.0, size, 1.0)
        return -size * differences(lambda t: self.error(xp, output + t * way, target)) / STEP

    def curvature_bound(self, xp: Namespace, target: Outputs) -> Bound:
        """Raise `UsageError`: what the curvature is at most, somewhere, nobody has said."""
        raise UsageError(
            f"{type(self).__name__} has no curvature_bound, the largest curvature that the loss has anywhere; an "
            "automatic step size, the method equilibrium and pcsim inspect need it: write "
            "curvature_bound(self, xp, target)"
        )
