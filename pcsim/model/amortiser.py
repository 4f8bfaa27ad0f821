"""An amortiser: a chain of layers beside a network that guesses its states from the target, from the output down.

Its layer k reads what was guessed of state N−1−k, for k = 0 the target y, and guesses the state below, the last one the
input: s̃_{N−1} = y, s̃_{i−1} = h_i(s̃_i). Every layer learns by itself, from ½ ‖s_{i−1} − h_i(s̃_i)‖² with s at the end of
inference and s̃_i, the guess, held: as in the program of Tschantz, Millidge, Seth, Buckley (2023), and in JPC's.
"""

from collections.abc import Sequence
from typing import NamedTuple

from jaxtyping import Shaped

from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import Saved
from pcsim.model.network import AMORTISER, Network


class Guesses(NamedTuple):
    """What is guessed of s_{N−2} … s_0 and the input, in this order, and what is saved of the layers that do so."""

    states: tuple[Array, ...]
    saved: tuple[Saved, ...]


def guessed(
    xp: Namespace, network: Network, parameters: Sequence[Parameters], y: Shaped[Array, "batch outputs"]
) -> Guesses:
    """Return what a network's amortiser makes of the target; `parameters` are the network's, those of both."""
    states, saved, above = list[Array](), list[Saved](), y
    for k, (layer, own) in enumerate(zip(_chain(network).layers, _own(network, parameters), strict=True)):
        above, kept = layer.forward(xp, own, {k - 1: above})
        states.append(above)
        saved.append(kept)
    return Guesses(tuple(states), tuple(saved))


def guess_gradient(
    xp: Namespace,
    network: Network,
    parameters: Sequence[Parameters],
    y: Shaped[Array, "batch outputs"],
    settled: Sequence[Array],
) -> tuple[Parameters, ...]:
    """Return the gradient of each layer's own loss, a mean over the batch, by the names among the network's parameters.

    `settled` are the input and the states s_0 … s_{N−2} that are guessed; layers are in the network's order.
    """
    guesses, own, scale = guessed(xp, network, parameters, y), _own(network, parameters), -1.0 / y.shape[0]
    found: list[Parameters] = []
    for k, (layer, state) in enumerate(zip(_chain(network).layers, reversed(settled), strict=True)):
        slopes = layer.gradient(xp, own[k], guesses.saved[k], state - guesses.states[k])
        found.append({AMORTISER + name: scale * slope for name, slope in slopes.items()})
    return tuple(reversed(found))


def _own(network: Network, parameters: Sequence[Parameters]) -> list[Parameters]:
    """Return the amortiser's parameters by its own names, the layer that reads the target first."""
    layers = reversed(parameters[-len(_chain(network).layers) :])
    return [{n.removeprefix(AMORTISER): a for n, a in own.items() if n.startswith(AMORTISER)} for own in layers]


def _chain(network: Network) -> Network:
    if network.amortiser is None:
        raise TypeError("the network has no amortiser")
    return network.amortiser
