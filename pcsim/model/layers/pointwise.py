"""The pointwise part: an activation, every entry on its own."""

from collections.abc import Mapping
from dataclasses import dataclass

from pcsim.model.activations import Activation
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.part import Anchor, Parameter, Saved, Second, Shape


@dataclass(frozen=True)
class Pointwise:
    """φ(s): its Jacobian is diagonal, so that its pullback is its pushforward."""

    activation: Activation

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """None."""
        return {}

    @property
    def multiplications(self) -> int:
        """None."""
        return 0

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return φ(s)."""
        return self.activation.forward(xp, s)

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return v φ'."""
        return self.activation.pullback(xp, saved, v)

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return Δs φ'."""
        return self.activation.pullback(xp, saved, ds)

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return nothing."""
        return {}

    def second(self, xp: Namespace, parameters: Parameters, s: Array) -> Second:
        """Return φ''."""
        return self.activation.second(xp, s)

    def bend(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Return v φ'' Δs."""
        return v * second * ds

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Return the activation's anchor."""
        return self.activation.anchor(xp, s)

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Saved, Anchor]:
        """Return φ(p + Δs) − φ(p), p the point of the anchor."""
        return xp.increment(self.activation, anchor, ds)
