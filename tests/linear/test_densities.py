"""Densities of large random matrices against drawn ones and their own moments."""

from functools import partial

import numpy as np
import pytest
from scipy.integrate import quad

from pcsim.errors import UsageError
from pcsim.linear import marchenko_pastur, marchenko_pastur_edges, semicircle, semicircle_edges


@pytest.mark.parametrize("ratio", [0.25, 1.0, 2.0])
def test_marchenko_pastur_has_its_mass_and_moments(ratio: float) -> None:
    low, high = marchenko_pastur_edges(ratio, 1.5)

    def moment(k: int) -> float:
        # x = mid + half sin θ takes the square roots out of both edges
        mid, half = (low + high) / 2, (high - low) / 2

        def integrand(angle: float) -> float:
            x = mid + half * np.sin(angle)
            return float(x**k * marchenko_pastur(np.array([x]), ratio, 1.5)[0] * half * np.cos(angle))

        return quad(integrand, -np.pi / 2, np.pi / 2)[0]

    assert moment(0) == pytest.approx(min(1.0, 1 / ratio), rel=1e-6)
    assert moment(1) == pytest.approx(1.5, rel=1e-6)
    assert moment(2) == pytest.approx(1.5**2 * (1 + ratio), rel=1e-6)
    assert marchenko_pastur(np.array([low - 0.1, high + 0.1]), ratio, 1.5).tolist() == [0, 0]


def test_semicircle_has_its_mass_and_variance() -> None:
    low, high = semicircle_edges(2.0)
    grid = np.linspace(low, high, 20001)
    density = semicircle(grid, 2.0)
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-5)
    assert np.trapezoid(grid**2 * density, grid) == pytest.approx(2, abs=1e-5)
    assert semicircle(np.array([low - 1, high + 1]), 2.0).tolist() == [0, 0]


def test_drawn_matrices_have_these_spectra() -> None:
    rng = np.random.default_rng(0)
    n, m = 400, 1000
    w = rng.standard_normal((n, m)) * np.sqrt(1.5)
    symmetric = rng.standard_normal((n, n))
    for matrix, density in (
        (w @ w.T / m, partial(marchenko_pastur, ratio=n / m, variance=1.5)),
        ((symmetric + symmetric.T) / np.sqrt(2 * n), semicircle),
    ):
        values = np.linalg.eigvalsh(matrix)
        grid = np.linspace(values[0] - 0.1, values[-1] + 0.1, 4001)
        share = np.cumsum(density(grid)) * (grid[1] - grid[0])
        counted = np.searchsorted(values, grid) / n
        assert np.abs(share - counted).max() < 0.01


def test_parameters_out_of_range_are_named() -> None:
    with pytest.raises(UsageError, match="ratio is 0; it must be a number greater than 0"):
        marchenko_pastur(np.zeros(2), 0.0)
    with pytest.raises(UsageError, match="variance is -1"):
        semicircle(np.zeros(2), -1.0)
