"""One sample's implicit gradient step, Δ = −β ∇L(θ + Δ), and what comes near to it (Alonso et al. 2024, Theorems 1, 2).

It is the minimiser of the proximal objective L(θ + Δ) + ‖Δ‖²/2β (eqs. 5, 6). To second order in β it is the damped
Newton step −β (I + βH)⁻¹ ∇L (Theorem 2). Inference whose precisions γ and decays follow the states as Theorem 1 has
them lowers ‖Δ‖² over the hidden states, while the output state is where loss and last update are in balance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.model.arrays import Namespace, Parameters
from pcsim.model.flat import Flat
from pcsim.model.layers import DenseLayer
from pcsim.model.losses import Loss
from pcsim.typing import NDArray

Vector = Float64[NDArray[np.float64], " weights"]
Square = Float64[NDArray[np.float64], "weights weights"]
Row = Float64[NDArray[np.float64], "1 _"]

MOST_WEIGHTS = 2000
"""Most weights of a Hessian by differences of gradients: a second."""
_DIFFERENCE = 1e-5
"""Of weights, between gradients: its square and rounding over it are both about 1e-11."""
_NEAR = 1e-12
"""Of the gradient of the proximal objective, relative to that of the loss: where the search for its minimum ends."""


@dataclass(frozen=True)
class SampleLoss:
    """The loss of one sample as a function of the weights of a dense chain without biases (`proximal.dense_chain`).

    Weights stand in a row, layer by layer. Raises `UsageError` for a network with biases or too many weights.
    """

    xp: Namespace
    chain: Sequence[DenseLayer]
    loss: Loss
    weights: Sequence[Parameters]
    x: Row
    y: Row

    def __post_init__(self) -> None:
        if any("b" in own for own in self.weights):
            raise UsageError("the proximal step is that of weight matrices alone; write bias = false in [network]")
        if self.layout.size > MOST_WEIGHTS:
            raise UsageError(
                f"the network has {self.layout.size} weights; proximal steps are found for up to {MOST_WEIGHTS}: use "
                "fewer or narrower layers"
            )

    @cached_property
    def layout(self) -> Flat:
        """How the weights lie in a vector."""
        return Flat(tuple(own["W"].shape for own in self.weights))

    @cached_property
    def start(self) -> Vector:
        """The weights θ that steps are taken from."""
        return np.concatenate([np.ravel(own["W"]) for own in self.weights])

    def value(self, at: Vector) -> float:
        """Return the loss at some weights."""
        _, output = self._forward(self.layout.split(at))
        return float(self.loss.value(self.xp, output, self.y)[0])

    def gradient(self, at: Vector) -> Vector:
        """Return ∇L at some weights."""
        matrices = self.layout.split(at)
        below, output = self._forward(matrices)
        error, slopes = self.loss.error(self.xp, output, self.y), list[Any]()
        for i in reversed(range(len(matrices))):
            value, saved = below[i]
            slopes.append(-np.outer(value[0], error[0]))
            error = self.chain[i].activation.pullback(self.xp, saved, error @ matrices[i].T)
        return np.concatenate([np.ravel(slope) for slope in reversed(slopes)])

    def hessian(self, at: Vector) -> Square:
        """Return ∇²L at some weights, by central differences of the gradient, made symmetric."""
        columns = [
            (self.gradient(at + _DIFFERENCE * unit) - self.gradient(at - _DIFFERENCE * unit)) / (2 * _DIFFERENCE)
            for unit in np.eye(len(at))
        ]
        found = np.stack(columns)
        return (found + found.T) / 2

    def _forward(self, matrices: Sequence[Any]) -> tuple[list[tuple[Any, Any]], Any]:
        state, below = self.x, list[tuple[Any, Any]]()
        for layer, matrix in zip(self.chain, matrices, strict=True):
            below.append(layer.activation.forward(self.xp, state))
            state = below[-1][0] @ matrix
        return below, state


def explicit_step(sample: SampleLoss, beta: float) -> Vector:
    """Return −β ∇L(θ)."""
    return -beta * sample.gradient(sample.start)


def second_order_step(sample: SampleLoss, beta: float, hessian: Square) -> Vector:
    """Return −β (I + βH)⁻¹ ∇L(θ)."""
    step: Any = np.linalg.solve(np.eye(len(hessian)) + beta * hessian, explicit_step(sample, beta))
    return step


def implicit_step(sample: SampleLoss, beta: float, hessian: Square) -> Vector:
    """Return the minimiser Δ of L(θ + Δ) + ‖Δ‖²/2β that descent from Δ = 0 comes to, `hessian` that of L at θ.

    By Newton's method in a trust region. Raises `UsageError` where it does not come to a minimum.
    """
    from scipy.optimize import minimize

    start, size = sample.start, float(np.linalg.norm(sample.gradient(sample.start)))

    def value(step: Vector) -> float:
        return sample.value(start + step) + float(step @ step) / (2 * beta)

    def slope(step: Vector) -> Vector:
        return sample.gradient(start + step) + step / beta

    def curvature(step: Vector) -> Square:
        here = hessian if not step.any() else sample.hessian(start + step)
        return here + np.eye(len(step)) / beta

    found: Any = minimize(
        value,
        np.zeros_like(start),
        jac=slope,
        hess=curvature,
        method="trust-exact",
        options={"gtol": max(1e-7 * size, 1e-12), "initial_trust_radius": 0.1, "maxiter": 400},
    )
    step = np.asarray(found.x, dtype=np.float64)
    # The region's test of progress ends in the rounding of the objective; Newton's own steps do not look at it.
    for _ in range(5):
        left = slope(step)
        if np.linalg.norm(left) <= _NEAR * size:
            break
        step = step - np.linalg.solve(curvature(step), left)
    if not np.linalg.norm(slope(step)) <= 1e-6 * size:
        raise UsageError(f"the proximal objective with β = {beta:g} has not come to a minimum; take a smaller β")
    return step
