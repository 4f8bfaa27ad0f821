"""Batch normalisation (Ioffe & Szegedy 2015), channel by channel, with statistics that are held or live.

Held ones are constants of the map, so that samples do not see each other; in training they are those of the batch's
feedforward pass. Live ones are part of the map, as in programs for backpropagation, and couple the samples of a batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.affine import Affine
from pcsim.model.layers.first_order import FirstOrder
from pcsim.model.layers.part import Parameter, Saved, Shape

RUNNING_SHARE = 0.1
"""What a batch's statistics count in the running ones after an update."""


@dataclass(frozen=True)
class BatchNorm(Affine):
    """γ (s − mean)/√(variance + ε) + β of every channel, the last axis: an affine map while the statistics are held."""

    channels: int
    eps: float = 1e-5

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Slope γ and offset β, which are learned, and the statistics, which are not."""
        shape = (self.channels,)
        return {
            "gamma": Parameter(shape, "ones"),
            "beta": Parameter(shape, "zeros"),
            "mean": Parameter(shape, "zeros", trained=False),
            "variance": Parameter(shape, "ones", trained=False),
        }

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape."""
        if shape[-1] != self.channels:
            raise ValueError(f"normalises {self.channels} channels, not {shape[-1]}")
        return shape

    def linear(self, xp: Namespace, parameters: Parameters, s: Array) -> Array:
        """Return γ s/√(variance + ε)."""
        return s * self._slope(xp, parameters)

    def transpose(self, xp: Namespace, parameters: Parameters, v: Array) -> Array:
        """Return γ v/√(variance + ε)."""
        return v * self._slope(xp, parameters)

    def bias(self, xp: Namespace, parameters: Parameters) -> Array | None:
        """Return β − γ mean/√(variance + ε)."""
        return parameters["beta"] - parameters["mean"] * self._slope(xp, parameters)

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return the gradients of γ and β."""
        flat = v.reshape(-1, self.channels)
        unit = (saved.reshape(-1, self.channels) - parameters["mean"]) / xp.sqrt(parameters["variance"] + self.eps)
        return {"gamma": xp.sum(unit * flat, axis=0), "beta": xp.sum(flat, axis=0)}

    def statistics(self, xp: Namespace, s: Array) -> tuple[Array, Array]:
        """Return mean and biased variance of every channel over samples and positions."""
        return statistics(xp, s)

    def _slope(self, xp: Namespace, parameters: Parameters) -> Array:
        return parameters["gamma"] / xp.sqrt(parameters["variance"] + self.eps)


@dataclass(frozen=True)
class LiveBatchNorm(FirstOrder):
    """γ (s − mean)/√(variance + ε) + β with mean and variance of the batch itself, which couple its samples.

    Its parameters are those of `BatchNorm`, whose running statistics evaluation uses.
    """

    channels: int
    eps: float = 1e-5

    @property
    def held(self) -> BatchNorm:
        """The same normalisation with statistics that are held."""
        return BatchNorm(self.channels, self.eps)

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Those of `BatchNorm`."""
        return self.held.parameters

    @property
    def multiplications(self) -> int:
        """None."""
        return 0

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return self.held.output_shape(shape)

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return the normalised batch; what is saved is (s − mean)/√(variance + ε), and 1/√(variance + ε)."""
        mean, variance = statistics(xp, s)
        inverse = 1.0 / xp.sqrt(variance + self.eps)
        unit = (s - mean) * inverse
        return unit * parameters["gamma"] + parameters["beta"], (unit, inverse)

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return vᵀ ∂f/∂s, through the statistics too."""
        return self._centred(xp, saved, v * parameters["gamma"])

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return ∂f/∂s Δs, through the statistics too."""
        return self._centred(xp, saved, ds) * parameters["gamma"]

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return the gradients of γ and β."""
        flat, unit = v.reshape(-1, self.channels), saved[0].reshape(-1, self.channels)
        return {"gamma": xp.sum(unit * flat, axis=0), "beta": xp.sum(flat, axis=0)}

    def _centred(self, xp: Namespace, saved: Saved, v: Array) -> Array:
        """Return v/√(variance + ε) without its mean and without what goes along the normalised batch."""
        unit, inverse = saved
        flat, units = v.reshape(-1, self.channels), unit.reshape(-1, self.channels)
        share = 1.0 / flat.shape[0]
        mean, along = share * xp.sum(flat, axis=0), share * xp.sum(flat * units, axis=0)
        return ((v - mean) - unit * along) * inverse


def statistics(xp: Namespace, s: Array) -> tuple[Array, Array]:
    """Return mean and variance of every channel over samples and positions, the biased one."""
    flat = s.reshape(-1, s.shape[-1])
    share = 1.0 / flat.shape[0]
    mean = share * xp.sum(flat, axis=0)
    away = flat - mean
    return mean, share * xp.sum(away * away, axis=0)
