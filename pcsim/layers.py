"""Layers: forward maps with their pullbacks.

An `Operation` maps one state to a prediction and knows its own local transposed Jacobian; a `Layer` places an
operation in the chain: which state it reads, how it is scaled, and which earlier state it adds (a skip).
The dynamics only ever see layers, so that new operations join without touching them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Shaped

from pcsim.activations import Activation
from pcsim.arrays import Array, Namespace, Parameters

Residue = Array
"""What a forward map remembers for its pullback; opaque to the dynamics."""


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

    def gradient(self, xp: Namespace, parameters: Parameters, residue: Residue, v: Array) -> Parameters:
        """Return vᵀ ∂ŝ/∂θ summed over the batch."""
        return self.operation.gradient(xp, parameters, residue, self._scaled(v))

    def _scaled(self, v: Array) -> Array:
        return v if self.premultiplier == 1.0 else self.premultiplier * v
