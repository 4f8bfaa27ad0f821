"""Hessians over the weights of loss and equilibrated energy in deep linear networks, exact at any weights.

Weights stand in a row, layer by layer, each matrix (n_in, n_out) by its rows. The loss is a polynomial, and its Hessian
the Gauss–Newton part and that of the residual. The equilibrated energy is a minimum over the states, and so

    ∇²F* = mean (E_θθ − E_θs H⁻¹ E_sθ)      at the equilibrium of every sample, H its activity Hessian.
"""

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.landscape.deep_linear import Matrix, WeightLandscape, Weights
from pcsim.model.flat import Flat
from pcsim.typing import NDArray

Square = Float64[NDArray[np.float64], "weights weights"]

MOST_WEIGHTS = 6000
"""Most weights of a Hessian: 0.3 GB, and minutes for its eigenvalues."""


def loss_hessian(landscape: WeightLandscape, weights: Weights) -> Square:
    """Return ∇²L over all weights; raises `UsageError` where there are too many to form it."""
    _require_fits(landscape)
    above, below, matrices = landscape.above(weights), landscape.below(weights), landscape.matrices(weights)
    correlation = landscape.residual(weights).T @ landscape.x / len(landscape.x)
    inputs, _, _ = landscape.moments
    places, sizes = landscape.layout.places, landscape.layout.sizes
    hessian = np.zeros((landscape.size, landscape.size))
    for j in range(landscape.depth):
        between = np.eye(landscape.widths[j])
        for i in range(j, -1, -1):
            # Indices: c, d of W_j (n_in, n_out) and e, f of W_i.
            block = np.einsum("ce,df->cdef", below[j] @ inputs @ below[i].T, above[j].T @ above[i])
            if i < j:
                block -= np.einsum("de,cf->cdef", above[j].T @ correlation @ below[i].T, between)
                between = between @ matrices[i]
            block *= landscape.scales[i] * landscape.scales[j]
            hessian[places[j], places[i]] = block.reshape(sizes[j], sizes[i])
            hessian[places[i], places[j]] = hessian[places[j], places[i]].T
    return hessian


def energy_hessian(landscape: WeightLandscape, weights: Weights) -> Square:
    """Return ∇²F* over all weights; raises `UsageError` where there are too many to form it."""
    from scipy.linalg import solve_triangular

    _require_fits(landscape)
    settled, places, count = landscape.equilibrium(weights), landscape.layout.places, len(landscape.x)
    hessian = np.zeros((landscape.size, landscape.size))
    for j, state in enumerate(settled.below):
        block = landscape.scales[j] ** 2 * np.kron(state.T @ state / count, np.eye(landscape.widths[j + 1]))
        hessian[places[j], places[j]] = block
    if landscape.depth == 1:
        return hessian
    factor = np.linalg.cholesky(_activity_hessian(landscape, weights))
    for sample in range(count):
        mixed = _mixed(
            landscape, weights, [s[sample] for s in settled.below], [error[sample] for error in settled.errors]
        )
        half = solve_triangular(factor, mixed, lower=True)
        hessian -= half.T @ half / count
    return hessian


def _activity_hessian(landscape: WeightLandscape, weights: Weights) -> Matrix:
    """Return the Hessian of one sample's energy over the free states, H = Aᵀ A with the errors A s − d."""
    rows, columns, matrices = _units(landscape, 1), _units(landscape, 1, -1), landscape.matrices(weights)
    operator = np.eye(rows.size, columns.size)
    for i in range(1, landscape.depth):
        operator[rows.places[i], columns.places[i - 1]] -= matrices[i]
    return operator.T @ operator


def _mixed(landscape: WeightLandscape, weights: Weights, below: list[Matrix], errors: list[Matrix]) -> Matrix:
    """Return E_sθ of one sample, (states, weights): how the gradient −a_j s_{j−1} ε_jᵀ changes with the states."""
    states, matrices, places = _units(landscape, 1, -1), landscape.matrices(weights), landscape.layout.places
    mixed = np.zeros((states.size, landscape.size))
    for j, (n_in, n_out) in enumerate(landscape.shapes):
        scale = landscape.scales[j]
        if j < landscape.depth - 1:
            own = np.einsum("c,md->mcd", below[j], np.eye(n_out))
            mixed[states.places[j], places[j]] -= scale * own.reshape(n_out, -1)
        if j > 0:
            through = np.einsum("c,dm->mcd", below[j], matrices[j]) - np.einsum("mc,d->mcd", np.eye(n_in), errors[j])
            mixed[states.places[j - 1], places[j]] += scale * through.reshape(n_in, -1)
    return mixed


def _units(landscape: WeightLandscape, first: int, end: int | None = None) -> Flat:
    return Flat(tuple((width,) for width in landscape.widths[first:end]))


def _require_fits(landscape: WeightLandscape) -> None:
    if landscape.size > MOST_WEIGHTS:
        raise UsageError(
            f"the network has {landscape.size} weights; a Hessian is formed for up to {MOST_WEIGHTS}: use fewer or "
            "narrower layers"
        )
