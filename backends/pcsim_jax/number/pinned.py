"""Layers whose predictions are rounded the same way wherever XLA puts them.

XLA contracts s − a·b into one fused operation that never rounds a·b, and so the sum over a pool's tile of what an
activation gave. A state that stands on its own prediction would then have a spurious error of half an ulp where exact
zero is the truth, and every front would start there. A comparison with the rounded product keeps it from being
contracted (`optimization_barrier` and `reduce_precision` do not).
"""

from collections.abc import Mapping
from dataclasses import replace

import jax.numpy as jnp

from pcsim.inference import Inference
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import Chain, Convolution, Dense, Layer, Saved
from pcsim_jax.number.narrow import Narrow


def pinned(x: Array) -> Array:
    """Return x, rounded before anything else is made of it."""
    return jnp.where(jnp.isnan(x), jnp.full_like(x, jnp.nan), x)


class PinnedChain(Chain):
    """A chain whose parts are given rounded numbers, as products with weights are already."""

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return the value at s and what every part saved."""
        saved: list[Saved] = []
        for k, part in enumerate(self.parts):
            if k > 0 and not isinstance(self.parts[k - 1], Dense | Convolution):
                s = _stored(s)
            s, own = part.forward(xp, parameters, s)
            saved.append(own)
        return s, tuple(saved)


class PinnedLayer(Layer):
    """A layer that gives its prediction as the rounded number that is stored."""

    def forward(self, xp: Namespace, parameters: Parameters, states: Mapping[int, Array]) -> tuple[Array, Saved]:
        """Return the prediction and what is saved."""
        value, saved = super().forward(xp, parameters, states)
        return _stored(value), saved


def with_pinned_predictions(inference: Inference) -> Inference:
    """Return the same inference on layers that pin their predictions."""
    network = inference.energy.network
    layers = tuple(
        PinnedLayer(
            tuple(replace(branch, chain=PinnedChain(branch.chain.parts)) for branch in layer.branches),
            PinnedChain(layer.then.parts),
        )
        for layer in network.layers
    )
    return inference.with_energy(replace(inference.energy, network=replace(network, layers=layers)))


def _stored(x: Array) -> Array:
    return x if isinstance(x, Narrow) else pinned(x)
