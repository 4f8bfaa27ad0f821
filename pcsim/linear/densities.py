"""Densities of eigenvalues of large random matrices, to set beside measured spectra."""

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.typing import NDArray

Grid = Float64[NDArray[np.float64], " points"]


def marchenko_pastur_edges(ratio: float, variance: float = 1.0) -> tuple[float, float]:
    """Return the edges σ²(1 ∓ √c)² of the Marchenko-Pastur law; see `marchenko_pastur`."""
    _require_positive(ratio=ratio, variance=variance)
    return variance * (1.0 - np.sqrt(ratio)) ** 2, variance * (1.0 + np.sqrt(ratio)) ** 2


def marchenko_pastur(values: Grid, ratio: float, variance: float = 1.0) -> Grid:
    """Return the density of the eigenvalues of W Wᵀ/m for W (n, m) of independent entries of a variance σ², c = n/m.

    √((b − x)(x − a))/(2π σ² c x) between the edges a and b, zero elsewhere; for c > 1 a share 1 − 1/c of the
    eigenvalues is zero besides, which no density shows. Source: Marchenko & Pastur 1967.
    """
    low, high = marchenko_pastur_edges(ratio, variance)
    density = np.zeros(values.shape)
    inside = (values > low) & (values < high) & (values > 0.0)
    x = values[inside]
    density[inside] = np.sqrt((high - x) * (x - low)) / (2.0 * np.pi * variance * ratio * x)
    return density


def semicircle_edges(variance: float = 1.0) -> tuple[float, float]:
    """Return the edges ∓2σ of the semicircle law; see `semicircle`."""
    _require_positive(variance=variance)
    return -2.0 * float(np.sqrt(variance)), 2.0 * float(np.sqrt(variance))


def semicircle(values: Grid, variance: float = 1.0) -> Grid:
    """Return the density of the eigenvalues of a symmetric (n, n) matrix of independent entries of variance σ²/n.

    √(4σ² − x²)/(2π σ²) between the edges ∓2σ, zero elsewhere. Source: Wigner 1958.
    """
    low, high = semicircle_edges(variance)
    return np.sqrt(np.maximum((high - values) * (values - low), 0.0)) / (2.0 * np.pi * variance)


def _require_positive(**given: float) -> None:
    for name, value in given.items():
        if not (np.isfinite(value) and value > 0):
            raise UsageError(f"{name} is {value:g}; it must be a number greater than 0")
