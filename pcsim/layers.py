"""Layers: forward maps with their pullbacks.

An `Operation` maps one state to a prediction and knows its own local transposed Jacobian; a `Layer` places an
operation in the chain: which state it reads, how it is scaled, and which earlier state it adds (a skip).
The dynamics only ever see layers, so that new operations join without touching them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Shaped

from pcsim.activations import Activation, accumulate
from pcsim.arrays import Array, Namespace, Parameters

Residue = Array
"""What a forward map remembers for its pullback; opaque to the dynamics."""

Anchor = Array
"""What an operation remembers of a point to take an increment from there; opaque to the dynamics."""


@runtime_checkable
class Operation(Protocol):
    """A differentiable map from samples (batch, *input_shape) to (batch, *output_shape)."""

    @property
    def input_shape(self) -> tuple[int, ...]: ...
    @property
    def output_shape(self) -> tuple[int, ...]: ...
    @property
    def parameter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes by parameter name; matrices are (n_in, n_out)."""
        ...

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Residue]:
        """Return the value at s and the residue for `pullback` and `gradient`."""
        ...

    def pullback(self, xp: Namespace, parameters: Parameters, residue: Residue, v: Array) -> Array:
        """Return vᵀ ∂op/∂s, shaped as s."""
        ...

    def gradient(self, xp: Namespace, parameters: Parameters, residue: Residue, v: Array) -> Parameters:
        """Return vᵀ ∂op/∂θ summed over the batch, for every parameter θ."""
        ...

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Return what `increment` needs to know of the point s."""
        ...

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Residue, Anchor]:
        """Return op(s) − op(s − ds) without cancellation, and residue and anchor at s; `anchor` is that of s − ds."""
        ...


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

    def forward(
        self, xp: Namespace, parameters: Parameters, s: Shaped[Array, "batch n_in"]
    ) -> tuple[Shaped[Array, "batch n_out"], Residue]:
        """Return φ(W s + b)."""
        value, residue = self.activation.forward(xp, _affine(parameters, s))
        return value, (s, residue)

    def pullback(
        self, xp: Namespace, parameters: Parameters, residue: Residue, v: Shaped[Array, "batch n_out"]
    ) -> Shaped[Array, "batch n_in"]:
        """Return (v φ') Wᵀ."""
        return self.activation.pullback(xp, residue[1], v) @ parameters["W"].T

    def gradient(
        self, xp: Namespace, parameters: Parameters, residue: Residue, v: Shaped[Array, "batch n_out"]
    ) -> Parameters:
        """Return sᵀ (v φ') for W and its sum over samples for b."""
        return _affine_gradient(xp, parameters, residue[0], self.activation.pullback(xp, residue[1], v))

    def anchor(self, xp: Namespace, parameters: Parameters, s: Shaped[Array, "batch n_in"]) -> Anchor:
        """Return the activation's anchor at the pre-activation."""
        return self.activation.anchor(xp, _affine(parameters, s))

    def increment(
        self,
        xp: Namespace,
        parameters: Parameters,
        anchor: Anchor,
        s: Shaped[Array, "batch n_in"],
        ds: Shaped[Array, "batch n_in"],
    ) -> tuple[Shaped[Array, "batch n_out"], Residue, Anchor]:
        """Return φ(p + Δp) − φ(p) with Δp = Δs W."""
        delta, residue, anchor = xp.increment(self.activation, anchor, ds @ parameters["W"])
        return delta, (s, residue), anchor


@dataclass(frozen=True)
class ActivationFirst(_Dense):
    """op(s) = W φ(s) + b: states are pre-activation (thesis ch. 4-5, Alonso)."""

    def forward(
        self, xp: Namespace, parameters: Parameters, s: Shaped[Array, "batch n_in"]
    ) -> tuple[Shaped[Array, "batch n_out"], Residue]:
        """Return W φ(s) + b."""
        value, residue = self.activation.forward(xp, s)
        return _affine(parameters, value), (value, residue)

    def pullback(
        self, xp: Namespace, parameters: Parameters, residue: Residue, v: Shaped[Array, "batch n_out"]
    ) -> Shaped[Array, "batch n_in"]:
        """Return (v Wᵀ) φ'."""
        return self.activation.pullback(xp, residue[1], v @ parameters["W"].T)

    def gradient(
        self, xp: Namespace, parameters: Parameters, residue: Residue, v: Shaped[Array, "batch n_out"]
    ) -> Parameters:
        """Return φ(s)ᵀ v for W and the sum of v over samples for b."""
        return _affine_gradient(xp, parameters, residue[0], v)

    def anchor(self, xp: Namespace, parameters: Parameters, s: Shaped[Array, "batch n_in"]) -> Anchor:
        """Return φ(s) with its low part, and the activation's anchor at s."""
        value = self.activation.forward(xp, s)[0]
        return value, xp.zeros_like(value), self.activation.anchor(xp, s)

    def increment(
        self,
        xp: Namespace,
        parameters: Parameters,
        anchor: Anchor,
        s: Shaped[Array, "batch n_in"],
        ds: Shaped[Array, "batch n_in"],
    ) -> tuple[Shaped[Array, "batch n_out"], Residue, Anchor]:
        """Return W (φ(s) − φ(s − Δs))."""
        value, low, below = anchor
        delta, residue, below = xp.increment(self.activation, below, ds)
        value, low = accumulate(value, low, delta)
        return delta @ parameters["W"], (value, residue), (value, low, below)


@dataclass(frozen=True)
class Layer:
    """ŝ_i = a · op(s_source) + s_skip: an operation placed in the chain (model: section 1).

    States are numbered from 0; −1 is the input. `premultiplier` a scales the bias too. A skip adds an earlier
    state of the same shape.
    """

    operation: Operation
    source: int
    premultiplier: float = 1.0
    skip: int | None = None

    @property
    def reads(self) -> tuple[int, ...]:
        """The states this layer reads, the operation's first."""
        return (self.source,) if self.skip is None else (self.source, self.skip)

    def forward(self, xp: Namespace, parameters: Parameters, inputs: Sequence[Array]) -> tuple[Array, Residue]:
        """Return the prediction from the states in `reads`, and the residue for the pullback."""
        value, residue = self.operation.forward(xp, parameters, inputs[0])
        if self.premultiplier != 1.0:
            value = self.premultiplier * value
        if self.skip is not None:
            value = value + inputs[1]
        return value, residue

    def pullback(self, xp: Namespace, parameters: Parameters, residue: Residue, v: Array, state: int) -> Array:
        """Return vᵀ ∂ŝ/∂s for one of the states in `reads`."""
        if state != self.source:
            return v
        through = self.operation.pullback(xp, parameters, residue, self._scaled(v))
        return through + v if state == self.skip else through

    def increment(
        self,
        xp: Namespace,
        parameters: Parameters,
        point: tuple[Residue, Anchor],
        states: Sequence[Array],
        changes: Mapping[int, Array],
    ) -> tuple[Array, tuple[Residue, Anchor]]:
        """Return how the prediction changes, without cancellation, where some of the states in `reads` changed.

        `states` are the new ones, `changes` how far those that moved did; residue and anchor go with them.
        """
        parts: list[Array] = []
        if self.source in changes:
            through, *after = self.operation.increment(
                xp, parameters, point[1], states[self.source], changes[self.source]
            )
            point = (after[0], after[1])
            parts.append(self._scaled(through))
        if self.skip is not None and self.skip in changes:
            parts.append(changes[self.skip])
        return (parts[0] if len(parts) == 1 else parts[0] + parts[1]), point

    def gradient(self, xp: Namespace, parameters: Parameters, residue: Residue, v: Array) -> Parameters:
        """Return vᵀ ∂ŝ/∂θ summed over the batch."""
        return self.operation.gradient(xp, parameters, residue, self._scaled(v))

    def _scaled(self, v: Array) -> Array:
        return v if self.premultiplier == 1.0 else self.premultiplier * v
