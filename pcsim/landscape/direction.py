"""Where steps point: predictive coding beside backpropagation, Newton, the trust region and the optimum.

In activity space inference from a feedforward start solves, for one hidden layer and a linear output exactly,

    min over Δ of  L(z + Δ) + ½‖Δ‖²,    so that    Δ = −(I + ∂²L/∂z²)⁻¹ ∂L/∂z                   (trust-region paper)

for with its error ε = Δ the energy is the loss and a term that keeps the step short: a trust-region step with the
multiplier 1 (Levenberg–Marquardt). A multiplier μ that grows without bound turns it into backpropagation's −∂L/∂z. In
weight space steps of the same kind are −(∇²L + μ I)⁻¹ ∇L, with μ large enough that the matrix is positive definite.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.landscape.deep_linear import WeightLandscape, Weights
from pcsim.typing import NDArray

Vector = Float64[NDArray[np.float64], " weights"]
Square = Float64[NDArray[np.float64], "weights weights"]
Steps = Float64[NDArray[np.float64], "batch units"]


def newton_direction(gradient: Vector, hessian: Square) -> Vector:
    """Return Newton's step −H⁻¹ g, which goes uphill along directions of negative curvature.

    Raises `UsageError` where the Hessian is singular.
    """
    try:
        step: Any = np.linalg.solve(hessian, -gradient)
    except np.linalg.LinAlgError:
        raise UsageError("the Hessian is singular, and Newton's step has no end; take a trust region") from None
    return step


def trust_region_direction(gradient: Vector, hessian: Square, radius: float) -> Vector:
    """Return the minimiser of gᵀ d + ½ dᵀ H d over ‖d‖ ≤ radius: −(H + μ I)⁻¹ g with the smallest μ ≥ 0 that fits.

    Moré and Sorensen (1983), by eigenvalues; in the hard case, with g orthogonal to the lowest eigenvector, the step
    is completed along it to the boundary. Raises `UsageError` for a radius that is not positive, and for entries that
    are not finite.
    """
    from scipy.optimize import brentq

    if not radius > 0:
        raise UsageError(f"radius {radius:g}: a trust region needs one greater than 0")
    if not (np.isfinite(hessian).all() and np.isfinite(gradient).all()):
        raise UsageError("gradient or Hessian are not finite, and no step is the best; take smaller weights")
    curvatures, modes = np.linalg.eigh(hessian)
    slopes = modes.T @ gradient

    def step(shift: float) -> Vector:
        with np.errstate(divide="ignore", invalid="ignore"):
            return -np.where(slopes == 0.0, 0.0, slopes / (curvatures + shift))

    lowest = max(0.0, -float(curvatures[0]))
    if curvatures[0] > 0 and np.linalg.norm(step(0.0)) <= radius:
        return modes @ step(0.0)
    low = lowest + 1e-12 * max(1.0, lowest)
    if np.linalg.norm(step(low)) < radius:
        inside = step(low)
        # The direction along the lowest eigenvector is arbitrary there, and what rounding left of it is no part.
        inside[0] = np.sqrt(radius**2 - inside[1:] @ inside[1:])
        return modes @ inside
    high = lowest + np.linalg.norm(gradient) / radius + 1.0

    def excess(shift: float) -> float:
        return float(np.linalg.norm(step(shift))) - radius

    found: Any = brentq(excess, low, high, xtol=1e-14)
    return modes @ step(found)


def inferred_activity_step(landscape: WeightLandscape, weights: Weights) -> Steps:
    """Return how far inference moves the hidden states of every sample from the feedforward pass, layers in a row."""
    settled, forward = landscape.equilibrium(weights), [landscape.x]
    for matrix in landscape.matrices(weights)[:-1]:
        forward.append(forward[-1] @ matrix.T)
    moves = [state - start for state, start in zip(settled.below[1:], forward[1:], strict=True)]
    return np.concatenate(moves, axis=1)


def trust_region_activity_step(landscape: WeightLandscape, weights: Weights, multiplier: float) -> Steps:
    """Return −(μ I + ∂²L/∂z²)⁻¹ ∂L/∂z of every sample for the one hidden layer z, with multiplier μ > 0.

    Raises `UsageError` for a network with more or fewer hidden layers, whose inference is no such step.
    """
    if landscape.depth != 2:
        raise UsageError(f"the network has {landscape.depth - 1} hidden layers; the step is that of one hidden layer")
    above = landscape.above(weights)[0]
    slope = -landscape.residual(weights) @ above
    step: Any = np.linalg.solve(multiplier * np.eye(above.shape[1]) + above.T @ above, -slope.T).T
    return step


def nearest_optimum(w: Vector, product: float) -> Vector:
    """Return the point nearest to w = (w_1, w_2) at which w_1 w_2 is the best product.

    On the hyperbola a stationary point has w − u = κ (u_2, u_1), and with u_2 = product/u_1 a quartic in u_1.
    """
    if w.shape != (2,):
        raise UsageError(f"w has shape {w.shape}; the optimum is found for one hidden unit: two weights")
    roots = np.roots([1.0, -w[0], 0.0, product * w[1], -(product**2)])
    real = roots[np.abs(roots.imag) < 1e-7 * (1.0 + np.abs(roots))].real
    candidates = np.stack([real, product / real], axis=1)
    return candidates[np.argmin(np.sum((candidates - w) ** 2, axis=1))]


def angle(a: Vector, b: Vector) -> float:
    """Return the angle between two directions in degrees, NaN where one of them is zero."""
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    return float(np.degrees(np.arccos(np.clip(a @ b / lengths, -1.0, 1.0)))) if lengths > 0 else np.nan
