"""Deep linear networks with squared error: their energy is a quadratic form, and so everything is known.

All errors, the output's last, are e = A s − d for the free states s of one sample in a row, and
E = ½ Σ w e² + ½ Σ δ s² with w the precisions (the output's is 1, or γ/(1+γ) clamped softly). Hence the activity
Hessian H = Aᵀ w A + δ and the right-hand side Aᵀ w d (thesis C.9, C.19; model: section 4).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from jaxtyping import Float64
from numpy.typing import NDArray

from pcsim.activations import Linear
from pcsim.energy import Energy
from pcsim.errors import UsageError
from pcsim.layers import ActivationFirst, Layer, WeightsFirst
from pcsim.losses import SoftClampedSquaredError, SquaredError

Values = NDArray[np.float64]

MOST_UNKNOWNS = 6000
"""Largest dense system that is still solved: 0.3 GB a matrix, and minutes for its eigenvalues."""


@dataclass(frozen=True)
class LinearSystem:
    """The energy of a batch in a deep linear network as ½ Σ w (A s − d)² + ½ Σ δ s².

    `units` counts the units of every layer, the output's last; `unknowns` below is their sum without the output,
    `errors` with it. `operator` is A, `offsets` d, `weights` w and `decays` δ.
    """

    units: tuple[int, ...]
    operator: Float64[NDArray[np.float64], "errors unknowns"]
    offsets: Float64[NDArray[np.float64], "batch errors"]
    weights: Float64[NDArray[np.float64], " errors"]
    decays: Float64[NDArray[np.float64], " unknowns"]

    @cached_property
    def hessian(self) -> Float64[NDArray[np.float64], "unknowns unknowns"]:
        """The activity Hessian H of one sample's energy, free states in order; symmetric, positive definite."""
        return self.operator.T @ (self.weights[:, None] * self.operator) + np.diag(self.decays)

    @property
    def right_hand_side(self) -> Float64[NDArray[np.float64], "batch unknowns"]:
        """b of H s = b, which holds at equilibrium."""
        return (self.offsets * self.weights) @ self.operator

    def equilibrium(self) -> Float64[NDArray[np.float64], "batch unknowns"]:
        """Return s* = H⁻¹ b, the one critical point of the energy."""
        from scipy.linalg import solve

        if not self.decays.size:
            return np.zeros((len(self.offsets), 0))
        return solve(self.hessian, self.right_hand_side.T, assume_a="pos").T

    def feedforward(self) -> Float64[NDArray[np.float64], "batch unknowns"]:
        """Return the feedforward pass, where every error below the output is zero."""
        from scipy.linalg import solve_triangular

        count = self.decays.size
        if not count:
            return np.zeros((len(self.offsets), 0))
        return solve_triangular(self.operator[:count], self.offsets[:, :count].T, lower=True, unit_diagonal=True).T

    def errors(
        self, states: Float64[NDArray[np.float64], "batch unknowns"]
    ) -> Float64[NDArray[np.float64], "batch errors"]:
        """Return all prediction errors at given states; the output's is y − ŷ, clamped softly too."""
        return states @ self.operator.T - self.offsets

    def gradient(
        self,
        states: Float64[NDArray[np.float64], "batch unknowns"],
        errors: Float64[NDArray[np.float64], "batch errors"],
    ) -> Float64[NDArray[np.float64], "batch unknowns"]:
        """Return ∇_s E = Aᵀ w e + δ s."""
        return (errors * self.weights) @ self.operator + self.decays * states

    def layerwise(
        self, errors: Float64[NDArray[np.float64], "batch errors"]
    ) -> Float64[NDArray[np.float64], " layers"]:
        """Return the energy of every layer as a batch mean, as a trace records it."""
        density = 0.5 * self.weights * np.mean(errors * errors, axis=0)
        return np.add.reduceat(density, [0, *accumulate(self.units[:-1])])

    def split(self, states: Float64[NDArray[np.float64], "batch unknowns"]) -> tuple[Values, ...]:
        """Return one array (batch, units) a free state."""
        parts = np.split(states, [*accumulate(self.units[:-1])], axis=1)
        return tuple(parts[: len(self.units) - 1])


def linear_system(energy: Energy, parameters: Sequence[Mapping[str, Values]], x: Values, y: Values) -> LinearSystem:
    """Return the quadratic form of a deep linear network's energy, in float64.

    `parameters` holds W (n_in, n_out) and maybe b (n_out,) of every layer, `x` is (batch, inputs), `y`
    (batch, outputs). Either activation order, skips, premultipliers, biases, precisions, activity decay, hard and
    soft clamping. Raises `UsageError` for a network that is not linear, another loss, or too many unknowns.
    """
    output_weight = _output_weight(energy)
    layers = energy.network.layers
    units = tuple(_units(layer, i) for i, layer in enumerate(layers))
    edges = [0, *accumulate(units)]
    if edges[-2] > MOST_UNKNOWNS:
        raise UsageError(
            f"the network has {edges[-2]} hidden units; the theory of deep linear networks solves dense systems of up "
            f"to {MOST_UNKNOWNS}; use fewer or narrower layers"
        )
    operator = np.eye(edges[-1], edges[-2])
    offsets = np.zeros((len(x), edges[-1]))
    for i, layer in enumerate(layers):
        rows = slice(edges[i], edges[i + 1])
        if "b" in parameters[i]:
            offsets[:, rows] += layer.premultiplier * parameters[i]["b"]
        for state, matrix in _matrices(layer, parameters[i]["W"]):
            if state < 0:
                offsets[:, rows] += x @ matrix.T
            else:
                operator[rows, edges[state] : edges[state + 1]] -= matrix
    offsets[:, edges[-2] :] -= y
    # The output state is the target and no unknown: its error y − ŷ has the same sign as the others.
    return LinearSystem(
        units,
        operator,
        offsets,
        np.repeat([*energy.precisions, output_weight], units),
        np.repeat(energy.decays, units[:-1]),
    )


def largest_stable_step(system: LinearSystem) -> float:
    """Return 2/λ_max of the activity Hessian: gradient descent converges for smaller step sizes (model: section 4)."""
    from scipy.linalg import eigvalsh

    last = system.decays.size - 1
    return np.inf if last < 0 else 2.0 / float(eigvalsh(system.hessian, subset_by_index=[last, last])[0])


def _matrices(layer: Layer, weight: Values) -> list[tuple[int, Values]]:
    """Return the states a layer reads and the matrix that acts on each as a column."""
    found = [(layer.source, layer.premultiplier * weight.T)]
    if layer.skip is not None:
        found.append((layer.skip, np.eye(len(weight.T))))
    return found


def _units(layer: Layer, i: int) -> int:
    operation = layer.operation
    if not isinstance(operation, WeightsFirst | ActivationFirst):
        raise UsageError(
            f"layer {i} is {type(operation).__name__}; the theory of deep linear networks needs dense layers throughout"
        )
    if not isinstance(operation.activation, Linear):
        raise UsageError(
            f"layer {i} has the activation {type(operation.activation).__name__}; the theory of deep linear networks "
            'needs linear ones throughout: activation = "linear" and output = "linear"'
        )
    return operation.n_out


def _output_weight(energy: Energy) -> float:
    match energy.loss:
        case SquaredError():
            return 1.0
        case SoftClampedSquaredError(precision):
            return precision / (1.0 + precision)
        case other:
            raise UsageError(
                f"the loss is {type(other).__name__}; the theory of deep linear networks needs the squared error: "
                'loss = "squared-error"'
            )
