"""The network with one unit a layer: its landscape is a function of a few numbers, and can be drawn.

With P the product of the weights and A_i the product of those above layer i (thesis 3 and 4, trust-region paper):

    L = ½ mean (y − P x)²,      F* = L / S,      S = 1 + Σ_{i ≤ N−2} A_i²;      one hidden unit: F* = L / (1 + w₂²)

Weights are the last axis of an array (…, N), so that a grid is one call.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from pcsim.typing import NDArray

Points = Float64[NDArray[np.float64], "*points layers"]
PerPoint = Float64[NDArray[np.float64], "*points"]
PerSample = Float64[NDArray[np.float64], " samples"]


@dataclass(frozen=True)
class Chain:
    """Loss and equilibrated energy of chains on data with second moments `xx`, `xy` and `yy` (means, not centred)."""

    xx: float
    xy: float
    yy: float

    @classmethod
    def of_data(
        cls, x: Float64[NDArray[np.float64], " samples"], y: Float64[NDArray[np.float64], " samples"]
    ) -> "Chain":
        """Return the chain model of samples x and y."""
        return cls(float(np.mean(x * x)), float(np.mean(x * y)), float(np.mean(y * y)))

    @property
    def best_product(self) -> float:
        """The product of the weights at every optimum, the slope of the least-squares line."""
        return self.xy / self.xx

    def loss(self, w: Points) -> PerPoint:
        """Return L = ½ mean (y − P x)²."""
        product = np.prod(w, axis=-1)
        return np.asarray(0.5 * (self.yy - 2.0 * product * self.xy + product**2 * self.xx))

    def rescaling(self, w: Points) -> PerPoint:
        """Return S = 1 + Σ A_i²."""
        return np.asarray(1.0 + np.sum(_above(w)[..., :-1] ** 2, axis=-1))

    def energy(self, w: Points) -> PerPoint:
        """Return F* = L/S."""
        return np.asarray(self.loss(w) / self.rescaling(w))

    def loss_gradient(self, w: Points) -> Points:
        """Return ∇L: (P xx − xy) times the product of the other weights."""
        slope = np.asarray(np.prod(w, axis=-1) * self.xx - self.xy)
        return slope[..., None] * _below(w) * _above(w)

    def energy_gradient(self, w: Points) -> Points:
        """Return ∇F* = (∇L − F* ∇S)/S."""
        rescaling = self.rescaling(w)[..., None]
        return (self.loss_gradient(w) - self.energy(w)[..., None] * _rescaling_gradient(w)) / rescaling

    def loss_hessian(self, w: Points) -> Float64[NDArray[np.float64], "*points layers layers"]:
        """Return ∇²L = xx ∇P ∇Pᵀ + (P xx − xy) ∇²P."""
        first, slope = _below(w) * _above(w), np.asarray(np.prod(w, axis=-1) * self.xx - self.xy)
        count = w.shape[-1]
        second = np.zeros((*w.shape, count))
        for i in range(count):
            for j in range(i):
                second[..., i, j] = second[..., j, i] = np.prod(np.delete(w, (i, j), axis=-1), axis=-1)
        return self.xx * first[..., :, None] * first[..., None, :] + slope[..., None, None] * second


def _above(w: Points) -> Points:
    """Return A_i, the product of the weights above each."""
    products: Any = np.cumprod(w[..., :0:-1], axis=-1)[..., ::-1]
    return np.concatenate([products, np.ones_like(w[..., :1])], axis=-1)


def _below(w: Points) -> Points:
    """Return the product of the weights below each."""
    products: Any = np.cumprod(w[..., :-1], axis=-1)
    return np.concatenate([np.ones_like(w[..., :1]), products], axis=-1)


def _rescaling_gradient(w: Points) -> Points:
    """Return ∇S: for w_j the sum of 2 A_i ∂A_i/∂w_j over i < j."""
    above, gradient = _above(w), np.zeros_like(w)
    for j in range(1, w.shape[-1]):
        between = np.ones_like(w[..., 0])
        for i in range(j - 1, -1, -1):
            gradient[..., j] += 2.0 * above[..., i] * above[..., j] * between
            between = between * w[..., i]
    return gradient
