"""The convolution part: one kernel for all windows of an image."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.affine import Affine
from pcsim.model.layers.part import Parameter, Saved, Shape
from pcsim.model.windows import Window


@dataclass(frozen=True)
class Convolution(Affine):
    """A convolution of images of `shape` (height, width, channels), and a bias for every channel it makes.

    W is (size, size, channels, made), as PyTorch's turned so that channels come last. It is a correlation: the kernel
    is not mirrored.
    """

    shape: tuple[int, int, int]
    channels: int
    window: Window
    biased: bool = True

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """W, and b if it is biased."""
        taps = self.window.size**2
        fans = (taps * self.shape[2], taps * self.channels)
        weight = {"W": Parameter((self.window.size, self.window.size, self.shape[2], self.channels), fans=fans)}
        return weight | {"b": Parameter((self.channels,), "bias", fans)} if self.biased else weight

    @property
    def multiplications(self) -> int:
        """Every weight in every window."""
        rows, columns = self.window.places(self.shape[:2])
        return rows * columns * super().multiplications

    def output_shape(self, shape: Shape) -> Shape:
        """Return places of the windows, and the channels made."""
        if shape != self.shape:
            raise ValueError(f"takes images of shape {self.shape}, not {shape}")
        places = self.window.places(self.shape[:2])
        if min(places) < 1:
            raise ValueError(f"has a kernel of {self.window.size} for images of {self.shape[0]} × {self.shape[1]}")
        return (*places, self.channels)

    def linear(self, xp: Namespace, parameters: Parameters, s: Array) -> Array:
        """Return the convolution of s."""
        return xp.convolve(s, parameters["W"], self.window)

    def transpose(self, xp: Namespace, parameters: Parameters, v: Array) -> Array:
        """Return the transposed convolution of v."""
        return xp.convolve_adjoint(v, parameters["W"], self.window, self.shape[:2])

    def bias(self, xp: Namespace, parameters: Parameters) -> Array | None:
        """Return b."""
        return parameters["b"] if self.biased else None

    def gradient(
        self, xp: Namespace, parameters: Parameters, saved: Saved, v: Shaped[Array, "batch rows columns channels"]
    ) -> Parameters:
        """Return the gradients of kernel and bias."""
        found = {"W": xp.convolve_gradient(saved, v, self.window)}
        return found | {"b": xp.sum(v.reshape(-1, self.channels), axis=0)} if self.biased else found
