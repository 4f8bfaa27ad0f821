"""Output losses ℓ(ŷ, y): per-sample values, and the output error −∂ℓ/∂ŷ.

Values are computed in the wide type from the output of the run; arrays are (batch, units).
"""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped

from pcsim.activations import Sigmoid, sigmoid
from pcsim.arrays import Array, Namespace


@runtime_checkable
class Loss(Protocol):
    """A per-sample output loss, summed over output units."""

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return the loss of every sample, in the wide type."""
        ...

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the output error −∂ℓ/∂ŷ in the type of the run."""
        ...

    def steepest(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return the largest eigenvalue that ∂²ℓ/∂ŷ² has at any output."""
        ...

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return ∂²ℓ/∂ŷ² v; of one sample with any number of v."""
        ...

    def output_state(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the state of the output layer: the target where it is clamped hard."""
        ...


class _HardClamp:
    def output_state(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the target."""
        return target


@dataclass(frozen=True)
class SquaredError(_HardClamp):
    """ℓ = ½ ‖ŷ − y‖²."""

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return ½ ‖ŷ − y‖² of every sample."""
        return 0.5 * xp.sum_of_squares(self.error(xp, output, target))

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return y − ŷ."""
        return target - output

    def steepest(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return 1."""
        return 1.0

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return v."""
        return v


@dataclass(frozen=True)
class SoftClampedSquaredError:
    """Soft clamping: a free output state at its minimum, s = (y + γ ŷ)/(1 + γ) (Alonso et al. 2023, eq. 3).

    Its energy ½‖y − s‖² + γ/2 ‖s − ŷ‖² is then γ/(1 + γ) · ½‖y − ŷ‖², and the error that the layer below
    sees, γ (s − ŷ), is γ/(1 + γ) (y − ŷ).
    """

    precision: float = 1.0

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return γ/(1 + γ) · ½ ‖y − ŷ‖² of every sample."""
        return (0.5 * self._share) * xp.sum_of_squares(target - output)

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return γ/(1 + γ) (y − ŷ)."""
        return self._share * (target - output)

    def steepest(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return γ/(1 + γ)."""
        return self._share

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return γ/(1 + γ) v."""
        return self._share * v

    def output_state(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return (y + γ ŷ)/(1 + γ)."""
        return (target + self.precision * output) / (1.0 + self.precision)

    @property
    def _share(self) -> float:
        return self.precision / (1.0 + self.precision)


@dataclass(frozen=True)
class NoTarget:
    """ℓ = 0: a free output, whose state is its prediction; the equilibrium is the feedforward pass."""

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return 0 for every sample."""
        return xp.sum_of_squares(xp.zeros_like(output))

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return zeros."""
        return xp.zeros_like(output)

    def steepest(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return 0."""
        return 0.0

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return zeros."""
        return xp.zeros_like(v)

    def output_state(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the output."""
        return output


def _softmax(xp: Namespace, output: Shaped[Array, "batch units"]) -> Shaped[Array, "batch units"]:
    raised = xp.exp(output - xp.max(output, axis=1, keepdims=True))
    return raised / xp.sum(raised, axis=1, keepdims=True)


@dataclass(frozen=True)
class PartlyClamped:
    """A squared error in which masked output units take no part: each is its own target, as if its output were free.

    `masked` tells for every output unit whether it is; `loss` is a squared error, clamped hard or softly.
    """

    loss: "SquaredError | SoftClampedSquaredError"
    masked: tuple[bool, ...]

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return the loss of every sample over the known units."""
        return self.loss.value(xp, output, self._completed(xp, output, target))

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the output error, zero at masked units."""
        return self.loss.error(xp, output, self._completed(xp, output, target))

    def output_state(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return the output at masked units, and what the loss says at known ones."""
        return self.loss.output_state(xp, output, self._completed(xp, output, target))

    def steepest(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return that of the squared error: some units are known."""
        return self.loss.steepest(xp, target)

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return that of the squared error at known units, zeros at masked ones."""
        return xp.where(np.array(self.masked), xp.zeros_like(v), self.loss.curvature(xp, output, target, v))

    def _completed(self, xp: Namespace, output: Array, target: Array) -> Array:
        return xp.where(np.array(self.masked), output, target)


@dataclass(frozen=True)
class CrossEntropy(_HardClamp):
    """ℓ = −Σ y log softmax(ŷ), for any target y ≥ 0 (a one-hot row or a distribution)."""

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return −Σ y log softmax(ŷ) of every sample; logits of any size are safe."""
        logits, weights = xp.wide(output), xp.wide(target)
        shifted = logits - xp.max(logits, axis=1, keepdims=True)
        log_norm = xp.log(xp.sum(xp.exp(shifted), axis=1, keepdims=True))
        return xp.sum(weights * (log_norm - shifted), axis=1)

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return y − (Σ y) softmax(ŷ)."""
        return target - xp.sum(target, axis=1, keepdims=True) * _softmax(xp, output)

    def steepest(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return (Σ y)/2: of two classes with equal shares."""
        return 0.5 * xp.sum(target, axis=1, keepdims=True)

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return (Σ y) (p v − p pᵀv) with p = softmax(ŷ)."""
        share = _softmax(xp, output)
        through = share * v
        return xp.sum(target, axis=1, keepdims=True) * (through - share * xp.sum(through, axis=1, keepdims=True))


@dataclass(frozen=True)
class BinaryCrossEntropy(_HardClamp):
    """ℓ = Σ softplus(ŷ) − y ŷ: binary cross-entropy with logits ŷ, one independent label a unit."""

    def value(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, " batch"]:
        """Return the loss of every sample; logits of any size are safe."""
        logits, labels = xp.wide(output), xp.wide(target)
        softplus = xp.maximum(logits, 0.0) + xp.log1p(xp.exp(-xp.abs(logits)))
        return xp.sum(softplus - labels * logits, axis=1)

    def error(
        self, xp: Namespace, output: Shaped[Array, "batch units"], target: Shaped[Array, "batch units"]
    ) -> Shaped[Array, "batch units"]:
        """Return y − σ(ŷ)."""
        return target - sigmoid(xp, output)

    def steepest(self, xp: Namespace, target: Shaped[Array, "batch units"]) -> Shaped[Array, "batch 1"] | float:
        """Return 1/4, at a logit of zero."""
        return 0.25

    def curvature(
        self,
        xp: Namespace,
        output: Shaped[Array, "batch units"],
        target: Shaped[Array, "batch units"],
        v: Shaped[Array, "_ units"],
    ) -> Shaped[Array, "_ units"]:
        """Return σ (1 − σ) v."""
        return Sigmoid().pullback(xp, Sigmoid().forward(xp, output)[1], v)
