"""The dense part: a weight matrix and a bias."""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.affine import Affine
from pcsim.model.layers.part import Parameter, Saved, Shape

Below = Shaped[Array, "_ n_in"]
Above = Shaped[Array, "_ n_out"]


@dataclass(frozen=True)
class Dense(Affine):
    """W s + b, with W (n_in, n_out)."""

    n_in: int
    n_out: int
    biased: bool = True

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """W, and b if it is biased."""
        fans = (self.n_in, self.n_out)
        weight = {"W": Parameter(fans, fans=fans)}
        return weight | {"b": Parameter((self.n_out,), "bias", fans)} if self.biased else weight

    def output_shape(self, shape: Shape) -> Shape:
        """Return the number of outputs."""
        if shape != (self.n_in,):
            raise ValueError(f"takes samples of shape {(self.n_in,)}, not {shape}")
        return (self.n_out,)

    def linear(self, xp: Namespace, parameters: Parameters, s: Below) -> Above:
        """Return s W."""
        return s @ parameters["W"]

    def transpose(self, xp: Namespace, parameters: Parameters, v: Above) -> Below:
        """Return v Wᵀ."""
        return v @ parameters["W"].T

    def bias(self, xp: Namespace, parameters: Parameters) -> Array | None:
        """Return b."""
        return parameters["b"] if self.biased else None

    def forward(self, xp: Namespace, parameters: Parameters, s: Below) -> tuple[Above, Saved]:
        """Return s W + b: in fewer calls, which is what small networks consist of."""
        value = s @ parameters["W"]
        if self.biased:
            value += parameters["b"]
        return value, s

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Above) -> Below:
        """Return v Wᵀ: `transpose` in one call."""
        return v @ parameters["W"].T

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Above) -> Parameters:
        """Return sᵀ v for W and the sum of v over samples for b."""
        found = {"W": saved.T @ v}
        return found | {"b": xp.sum(v, axis=0)} if self.biased else found
