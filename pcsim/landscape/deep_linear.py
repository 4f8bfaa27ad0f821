"""Loss and equilibrated energy of deep linear networks as functions of the weights, with their gradients.

With B_i = a_i W_iᵀ + τ_i I acting on columns, P = B_{N−1} … B_0 and A_i = B_{N−1} … B_{i+1} (model: section 4):

    loss                 L  = ½ mean ‖r‖²,        r = y − P x
    equilibrated energy  F* = ½ mean rᵀ S⁻¹ r,    S = I + Σ_{i ≤ N−2} A_i A_iᵀ       (thesis 4.5)

F* is the minimum of the energy over the states, so that its gradient is the local one at equilibrium, −ε_i s_{i−1}ᵀ:
what predictive coding descends when inference has converged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.model.activations import Linear
from pcsim.model.flat import Flat
from pcsim.model.layers import DenseLayer, read_as_dense
from pcsim.model.network import Network
from pcsim.typing import NDArray

Matrix: TypeAlias = NDArray[np.float64]
Weights: TypeAlias = Sequence[Matrix]
"""One matrix (n_in, n_out) a layer, input to output."""


class Equilibrium(NamedTuple):
    """States and errors of every sample where inference has come to rest.

    `below` holds for every layer the state it reads, (batch, n_in), the first of them the input; `errors` those of all
    layers, (batch, n_out), the last y − ŷ.
    """

    below: tuple[Matrix, ...]
    errors: tuple[Matrix, ...]


@dataclass(frozen=True, eq=False)
class WeightLandscape:
    """Loss and equilibrated energy over the weights of a deep linear network without biases.

    `widths` are (input, n_0, …, output), `scales` the premultipliers a_i, `skips` tells where the state below is added
    (τ_i = 1). Build it with `weight_landscape`, or directly. Every function takes one matrix (n_in, n_out) a layer.
    """

    widths: tuple[int, ...]
    x: Float64[NDArray[np.float64], "batch inputs"]
    y: Float64[NDArray[np.float64], "batch outputs"]
    scales: tuple[float, ...]
    skips: tuple[bool, ...]

    @property
    def depth(self) -> int:
        """The number of layers N: one more than there are hidden ones."""
        return len(self.widths) - 1

    @property
    def size(self) -> int:
        """The number of weights."""
        return self.layout.size

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Shape (n_in, n_out) of every layer's weights."""
        return tuple(zip(self.widths[:-1], self.widths[1:], strict=True))

    @cached_property
    def layout(self) -> Flat:
        """How all weights lie in a row."""
        return Flat(self.shapes)

    def split(self, vector: Float64[NDArray[np.float64], " weights"]) -> tuple[Matrix, ...]:
        """Return one matrix a layer from all weights in a row."""
        return self.layout.split(vector)

    @cached_property
    def moments(self) -> tuple[Matrix, Matrix, Matrix]:
        """Second moments Σ_xx, Σ_yx and Σ_yy, means over the batch (not centred)."""
        count = len(self.x)
        return self.x.T @ self.x / count, self.y.T @ self.x / count, self.y.T @ self.y / count

    def matrices(self, weights: Weights) -> list[Matrix]:
        """Return B_i = a_i W_iᵀ + τ_i I of every layer."""
        parts = zip(weights, self.scales, self.skips, strict=True)
        return [scale * w.T + (np.eye(*w.T.shape) if skip else 0.0) for w, scale, skip in parts]

    def above(self, weights: Weights) -> list[Matrix]:
        """Return A_i = B_{N−1} … B_{i+1} of every layer, the last the identity."""
        found = [np.eye(self.widths[-1])]
        for matrix in reversed(self.matrices(weights)[1:]):
            found.insert(0, found[0] @ matrix)
        return found

    def below(self, weights: Weights) -> list[Matrix]:
        """Return V_i = B_{i−1} … B_0 of every layer, the first the identity."""
        found = [np.eye(self.widths[0])]
        for matrix in self.matrices(weights)[:-1]:
            found.append(matrix @ found[-1])
        return found

    def residual(self, weights: Weights) -> Float64[NDArray[np.float64], "batch outputs"]:
        """Return r = y − P x of every sample."""
        whole = self.above(weights)[0] @ self.matrices(weights)[0]
        return self.y - self.x @ whole.T

    def rescaling(self, weights: Weights) -> Float64[NDArray[np.float64], "outputs outputs"]:
        """Return S = I + Σ A_i A_iᵀ over the hidden layers (thesis 4.5, C.26)."""
        return sum((a @ a.T for a in self.above(weights)[:-1]), np.eye(self.widths[-1]))

    def loss(self, weights: Weights) -> float:
        """Return L = ½ mean ‖r‖²."""
        return 0.5 * float(np.mean(np.sum(self.residual(weights) ** 2, axis=1)))

    def energy(self, weights: Weights) -> float:
        """Return F* = ½ mean rᵀ S⁻¹ r, the energy at the equilibrium of inference (thesis 4.5)."""
        residual = self.residual(weights)
        return 0.5 * float(np.mean(np.sum(residual * self._rescaled(weights, residual), axis=1)))

    def equilibrium(self, weights: Weights) -> Equilibrium:
        """Return states and errors at the equilibrium: ε_i = A_iᵀ S⁻¹ r, and a pass that they perturb."""
        output_errors = self._rescaled(weights, self.residual(weights))
        errors = [output_errors @ a for a in self.above(weights)]
        below = [self.x]
        for matrix, error in zip(self.matrices(weights)[:-1], errors[:-1], strict=True):
            below.append(below[-1] @ matrix.T + error)
        return Equilibrium(tuple(below), tuple(errors))

    def loss_gradient(self, weights: Weights) -> tuple[Matrix, ...]:
        """Return ∂L/∂W_i of every layer: what backpropagation computes."""
        residual, above = self.residual(weights), self.above(weights)
        correlation = residual.T @ self.x / len(self.x)
        parts = zip(above, self.below(weights), self.scales, strict=True)
        return tuple(-scale * v @ correlation.T @ a for a, v, scale in parts)

    def energy_gradient(self, weights: Weights) -> tuple[Matrix, ...]:
        """Return ∂F*/∂W_i = −a_i mean s_{i−1} ε_iᵀ of every layer: predictive coding's at equilibrium."""
        settled, count = self.equilibrium(weights), len(self.x)
        parts = zip(settled.below, settled.errors, self.scales, strict=True)
        return tuple(-scale * s.T @ error / count for s, error, scale in parts)

    def _rescaled(self, weights: Weights, residual: Matrix) -> Matrix:
        solved: Any = np.linalg.solve(self.rescaling(weights), residual.T)
        return solved.T


def weight_landscape(network: Network, x: Matrix, y: Matrix) -> WeightLandscape:
    """Return the landscape of a deep linear network on inputs x (batch, n_in) and targets y (batch, n_out).

    Raises `UsageError` for a network with an activation, biases, a skip longer than 1, or a skip between layers of
    unequal width.
    """
    layers: list[DenseLayer] = []
    for i, layer in enumerate(network.layers):
        dense = read_as_dense(layer)
        if dense is None or dense.dense is None or not isinstance(dense.activation, Linear):
            raise UsageError(
                f"layer {i} is not linear; the landscape is known for deep linear networks: activation = "
                '"linear" and output = "linear"'
            )
        if dense.dense.biased:
            raise UsageError(f"layer {i} has biases; the landscape is known for networks without: bias = false")
        if dense.skip not in (None, i - 1):
            raise UsageError(f"layer {i} has a skip of length {i - dense.skip}; use skip = 1, or none")
        if dense.skip is not None and dense.dense.n_in != dense.dense.n_out:
            raise UsageError(
                f"layer {i} has a skip from {dense.dense.n_in} units to {dense.dense.n_out}; give both layers one "
                "width, or skip = 0"
            )
        layers.append(dense)
    widths = (*network.input_shape, *(shape[0] for shape in network.layer_shapes))
    scales = tuple(layer.premultiplier for layer in layers)
    return WeightLandscape(widths, x, y, scales, tuple(layer.skip is not None for layer in layers))
