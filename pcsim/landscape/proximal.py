"""The proximal objective L(θ + Δθ) + ‖Δθ‖²/2β of an update from one sample (Alonso et al. 2024, eqs. 6, 11).

Layers are dense and apply their activation first. An update from a sample is then an outer product a layer, and neither
that nor the weights after it need be formed, so that every sample of a batch has an update of its own:

    ΔW = α ε φ(s)ᵀ,    ‖ΔW‖² = α² ‖ε‖² ‖φ(s)‖²,    (W + ΔW) φ(h) = W φ(h) + α ε (φ(s) · φ(h)).
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from jaxtyping import Float

from pcsim.errors import UsageError
from pcsim.model.arrays import Namespace, Parameters
from pcsim.model.layers import DenseLayer, read_as_dense
from pcsim.model.losses import Loss
from pcsim.model.network import Network
from pcsim.typing import NDArray

Units = Float[NDArray[Any], "batch _"]
PerSample = Float[NDArray[Any], " batch"]


class TrialUpdates(NamedTuple):
    """What an update of every sample by itself comes to: the sample's loss after it, and ‖Δθ‖²."""

    loss: PerSample
    squared_size: PerSample


def dense_chain(network: Network) -> tuple[DenseLayer, ...]:
    """Return the layers of a chain of dense layers that apply their activation first; `UsageError` for another."""
    layers = tuple(read_as_dense(layer) for layer in network.layers)
    found = tuple(layer for layer in layers if layer is not None)
    plain = all(
        layer.dense is not None and layer.activation_first and layer.premultiplier == 1.0 and layer.skip is None
        for layer in found
    )
    if len(found) < len(layers) or not plain:
        raise UsageError(
            "the proximal objective is that of a chain of dense layers without skips, activations before weights; "
            'use widths and order = "activation-first"'
        )
    return found


def trial_updates(
    xp: Namespace,
    chain: Sequence[DenseLayer],
    loss: Loss,
    parameters: Sequence[Parameters],
    rates: Sequence[float],
    states: Sequence[Units],
    y: Units,
) -> TrialUpdates:
    """Return what one update comes to from `states` s_{-1} = x, s_0 … s_{N−2}, with learning rates α by layer.

    Errors are formed from the states, that of the output is −∂ℓ/∂ŷ. Every sample is updated alone and forgotten.
    """
    after, squares = states[0], 0.0 * states[0][:, 0]
    for i, (layer, own, rate) in enumerate(zip(chain, parameters, rates, strict=True)):
        below, _ = layer.activation.forward(xp, states[i])
        error = _error(xp, loss, layer, own, below, states[i + 1] if i + 1 < len(states) else None, y)
        bias = 1.0 if "b" in own else 0.0
        squares = squares + rate**2 * xp.sum_of_squares(error) * (xp.sum_of_squares(below) + bias)
        now, _ = layer.activation.forward(xp, after)
        overlap = xp.sum(below * now, axis=1, keepdims=True) + bias
        after = _affine(layer, own, now) + rate * error * overlap
    return TrialUpdates(loss.value(xp, after, y), squares)


def _affine(layer: DenseLayer, own: Parameters, below: Units) -> Units:
    return below @ own["W"] + own["b"] if "b" in own else below @ own["W"]


def _error(
    xp: Namespace, loss: Loss, layer: DenseLayer, own: Parameters, below: Units, state: Units | None, y: Units
) -> Units:
    predicted = _affine(layer, own, below)
    return loss.error(xp, predicted, y) if state is None else state - predicted
