"""Parts with first-order products alone, for what is never asked for more."""

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.part import Anchor, Saved, Second


class FirstOrder:
    """What has no second derivatives and no increments: whoever needs these refuses it beforehand."""

    def second(self, xp: Namespace, parameters: Parameters, s: Array) -> Second:
        """Raise `TypeError`."""
        raise TypeError(f"{type(self).__name__} has no second derivatives")

    def bend(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Raise `TypeError`."""
        raise TypeError(f"{type(self).__name__} has no second derivatives")

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Raise `TypeError`."""
        raise TypeError(f"{type(self).__name__} has no increments without cancellation")

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Saved, Anchor]:
        """Raise `TypeError`."""
        raise TypeError(f"{type(self).__name__} has no increments without cancellation")
