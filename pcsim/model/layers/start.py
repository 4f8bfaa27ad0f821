"""The start of a free input as a part: the identity, without parameters."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.affine import Affine
from pcsim.model.layers.part import Shape


@dataclass(frozen=True)
class Start(Affine):
    """f(s) = s: predicts a free input by the value it started from, so that its error is how far it has moved.

    `held` tells for every unit whether it stays where it starts, as the known units of a masked input do; empty: none.
    """

    held: tuple[bool, ...] = ()

    def output_shape(self, shape: Shape) -> Shape:
        """Return the same shape."""
        return shape

    def linear(self, xp: Namespace, parameters: Parameters, s: Array) -> Array:
        """Return s."""
        return s

    def transpose(self, xp: Namespace, parameters: Parameters, v: Array) -> Array:
        """Return v."""
        return v

    def released(self, xp: Namespace, v: Shaped[Array, "batch ..."]) -> Shaped[Array, "batch ..."]:
        """Return what is pulled back to the input, with zeros for the units that are held."""
        return xp.where(np.array(self.held).reshape(v.shape[1:]), xp.zeros_like(v), v) if self.held else v
