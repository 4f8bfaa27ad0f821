"""The start of a free input as a layer: the identity, without parameters."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers.operation import Anchor, Saved, Second


@dataclass(frozen=True)
class Start:
    """op(s) = s: predicts a free input by the value it started from, so that its error is how far it has moved.

    `held` tells for every unit whether it stays where it starts, as the known units of a masked input do; empty: none.
    """

    shape: tuple[int, ...]
    held: tuple[bool, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.shape

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.shape

    @property
    def parameter_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """None."""
        return {}

    def released(self, xp: Namespace, v: Shaped[Array, "batch ..."]) -> Shaped[Array, "batch ..."]:
        """Return what is pulled back to the input, with zeros for the units that are held."""
        return xp.where(np.array(self.held).reshape(self.shape), xp.zeros_like(v), v) if self.held else v

    def forward(
        self, xp: Namespace, parameters: Parameters, s: Shaped[Array, "batch ..."]
    ) -> tuple[Shaped[Array, "batch ..."], Saved]:
        """Return s."""
        return s, ()

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return v."""
        return v

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Return Δs."""
        return ds

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return nothing: there are no parameters."""
        return {}

    def second(self, xp: Namespace, parameters: Parameters, s: Array) -> Second:
        """Return nothing: the identity has no second derivatives."""
        return None

    def second_pullback(self, xp: Namespace, parameters: Parameters, second: Second, v: Array, ds: Array) -> Array:
        """Return zeros."""
        return xp.zeros_like(ds)

    def anchor(self, xp: Namespace, parameters: Parameters, s: Array) -> Anchor:
        """Return nothing: an increment needs no point."""
        return ()

    def increment(
        self, xp: Namespace, parameters: Parameters, anchor: Anchor, s: Array, ds: Array
    ) -> tuple[Array, Saved, Anchor]:
        """Return Δs."""
        return ds, (), ()
