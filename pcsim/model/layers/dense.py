"""Dense layers' forward maps: weights first or activation first."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Shaped

from pcsim.model.activations import Activation, accumulate
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.operation import Anchor, Saved, Second

Below = Shaped[Array, "batch n_in"]
Above = Shaped[Array, "batch n_out"]
Directions = Shaped[Array, "_ n_in"]


def _affine_shapes(n_in: int, n_out: int, bias: bool) -> dict[str, tuple[int, ...]]:
    return {"W": (n_in, n_out), "b": (n_out,)} if bias else {"W": (n_in, n_out)}


def _affine(parameters: Parameters, s: Array) -> Array:
    p = s @ parameters["W"]
    if "b" in parameters:
        p += parameters["b"]
    return p


def _affine_gradient(xp: Namespace, parameters: Parameters, s: Array, v: Array) -> Parameters:
    gradient = {"W": s.T @ v}
    if "b" in parameters:
        gradient["b"] = xp.sum(v, axis=0)
    return gradient


@dataclass(frozen=True)
class _Dense:
    n_in: int
    n_out: int
    activation: Activation
    bias: bool = True

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.n_in,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        return (self.n_out,)

    @property
    def parameter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        return _affine_shapes(self.n_in, self.n_out, self.bias)


@dataclass(frozen=True)
class WeightsFirst(_Dense):
    """op(s) = φ(W s + b): states are post-activation (EO paper, trust-region paper)."""

    def forward(self, xp: Namespace, parameters: Parameters, s: Below) -> tuple[Above, Saved]:
        """Return φ(W s + b)."""
        value, saved = self.activation.forward(xp, _affine(parameters, s))
        return value, (s, saved)

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Above) -> Below:
        """Return (v φ') Wᵀ."""
        return self.activation.pullback(xp, saved[1], v) @ parameters["W"].T

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Below) -> Above:
        """Return (Δs W) φ': φ' is diagonal, so that its pullback is its pushforward."""
        return self.activation.pullback(xp, saved[1], ds @ parameters["W"])

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Above) -> Parameters:
        """Return sᵀ (v φ') for W and its sum over samples for b."""
        return _affine_gradient(xp, parameters, saved[0], self.activation.pullback(xp, saved[1], v))

    def second(self, xp: Namespace, parameters: Parameters, s: Below) -> Second:
        """Return φ'' at the pre-activation."""
        return self.activation.second(xp, _affine(parameters, s))

    def second_pullback(
        self, xp: Namespace, parameters: Parameters, second: Second, v: Above, ds: Directions
    ) -> Directions:
        """Return (v φ'' Δs W) Wᵀ."""
        return (v * second * (ds @ parameters["W"])) @ parameters["W"].T

    def anchor(self, xp: Namespace, parameters: Parameters, s: Below) -> Anchor:
        """Return the activation's anchor at the pre-activation."""
        return self.activation.anchor(xp, _affine(parameters, s))

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Below, ds: Below
    ) -> tuple[Above, Saved, Anchor]:
        """Return φ(p + Δp) − φ(p) with Δp = Δs W."""
        delta, saved, anchor = xp.increment(self.activation, anchor, ds @ parameters["W"])
        return delta, (s, saved), anchor


@dataclass(frozen=True)
class ActivationFirst(_Dense):
    """op(s) = W φ(s) + b: states are pre-activation (thesis ch. 4-5, Alonso)."""

    def forward(self, xp: Namespace, parameters: Parameters, s: Below) -> tuple[Above, Saved]:
        """Return W φ(s) + b."""
        value, saved = self.activation.forward(xp, s)
        return _affine(parameters, value), (value, saved)

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Above) -> Below:
        """Return (v Wᵀ) φ'."""
        return self.activation.pullback(xp, saved[1], v @ parameters["W"].T)

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Below) -> Above:
        """Return (Δs φ') W."""
        return self.activation.pullback(xp, saved[1], ds) @ parameters["W"]

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Above) -> Parameters:
        """Return φ(s)ᵀ v for W and the sum of v over samples for b."""
        return _affine_gradient(xp, parameters, saved[0], v)

    def second(self, xp: Namespace, parameters: Parameters, s: Below) -> Second:
        """Return φ'' at s."""
        return self.activation.second(xp, s)

    def second_pullback(
        self, xp: Namespace, parameters: Parameters, second: Second, v: Above, ds: Directions
    ) -> Directions:
        """Return (v Wᵀ) φ'' Δs."""
        return (v @ parameters["W"].T) * second * ds

    def anchor(self, xp: Namespace, parameters: Parameters, s: Below) -> Anchor:
        """Return φ(s) with its low part, and the activation's anchor at s."""
        value = self.activation.forward(xp, s)[0]
        return value, xp.zeros_like(value), self.activation.anchor(xp, s)

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Below, ds: Below
    ) -> tuple[Above, Saved, Anchor]:
        """Return W (φ(s) − φ(s − Δs))."""
        value, low, below = anchor
        delta, saved, below = xp.increment(self.activation, below, ds)
        value, low = accumulate(value, low, delta)
        return delta @ parameters["W"], (value, saved), (value, low, below)
