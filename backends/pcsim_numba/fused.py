"""Parts of a chain as one: a convolution or nothing, a norm, an activation, a factor and a pool, in one kernel."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from pcsim.engine.lowering import LINEAR, lowered_activation
from pcsim.errors import UsageError
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.layers import (
    AveragePool,
    BatchNorm,
    Chain,
    Convolution,
    FirstOrder,
    Layer,
    MaxPool,
    Parameter,
    Part,
    Pointwise,
    Saved,
    Scale,
    Shape,
)
from pcsim.model.network import Network
from pcsim_numba import convolution
from pcsim_numba.convolution import Weights
from pcsim_numba.frames import empty
from pcsim_numba.gradients import Samples, gradient
from pcsim_numba.kernels.endings import Ending
from pcsim_numba.namespace import NumbaNamespace
from pcsim_numba.passes import MeasuredNorm
from pcsim_numba.support import KERNELS


class Blocks(tuple[Any, ...]):
    """What there is of each block of a batch, in the place of an array: fused parts find one gradient of all."""

    __slots__ = ()


@dataclass(frozen=True)
class Fused(FirstOrder):
    """Parts of a chain, the products of first order of the whole in kernels.

    A norm, whose statistics are held, is taken into the convolution's weights.
    """

    parts: tuple[Part, ...]
    shape: Shape
    convolution: Convolution | None
    norm: BatchNorm | None
    ending: Ending

    @property
    def parameters(self) -> Mapping[str, Parameter]:
        """Those of all parts."""
        return self._parameters

    @cached_property
    def _parameters(self) -> Mapping[str, Parameter]:
        return Chain(self.parts).parameters

    @property
    def multiplications(self) -> int:
        """Those of all parts."""
        return sum(part.multiplications for part in self.parts)

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape that the parts make of it."""
        return Chain(self.parts).output_shape(shape)

    def forward(self, xp: Namespace, parameters: Parameters, s: Array) -> tuple[Array, Saved]:
        """Return the value at s; what is saved is s and slopes."""
        if self.convolution is None:
            value, slopes = convolution.end(s, self.ending)
            return value.reshape(len(s), *self.output_shape(s.shape[1:])), (None, slopes)
        value, slopes = convolution.forward(s, self._weights(xp, parameters), self.convolution.window, self.ending)
        return value, (s, slopes)

    def before(
        self, xp: Namespace, parameters: Parameters, s: Array, added: Array, ending: Ending
    ) -> tuple[Array, Saved, Array]:
        """Return what another ending makes of this convolution and what is added; what is saved; and its slopes."""
        assert self.convolution is not None
        weights = self._weights(xp, parameters)
        value, slopes = convolution.forward(s, weights, self.convolution.window, ending, added)
        return value, (s, empty(s, (0,))), slopes

    def pullback(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Array:
        """Return vᵀ ∂f/∂s, of blocks in blocks."""
        if isinstance(v, Blocks):
            return Blocks(self.pullback(xp, parameters, *pair) for pair in zip(saved, v, strict=True))
        if self.convolution is None:
            return convolution.pull(v, saved[1], self.ending).reshape(len(v), *self.shape)
        own, image = self.convolution, self.convolution.shape[:2]
        return convolution.backward(v, saved[1], self._weights(xp, parameters), own.window, self.ending, image)

    def gradient(self, xp: Namespace, parameters: Parameters, saved: Saved, v: Array) -> Parameters:
        """Return the gradients of kernel, bias, slope and offset.

        With W the kernel and G the gradient of what a norm is given, Σ v (W s) over samples and places is Σ W G over
        the entries of a window: γ's gradient needs no more.
        """
        if self.convolution is None:
            return {}
        pairs = zip(saved, v, strict=True) if isinstance(v, Blocks) else [(saved, v)]
        batch = [Samples(s, error, slopes) for (s, slopes), error in pairs]
        kernel, sums = gradient(batch, self.convolution.window, self.ending)
        bias = {"b": sums} if self.convolution.biased else {}
        if self.norm is None:
            return {"W": kernel} | bias
        spread = np.sqrt(parameters["variance"] + self.norm.eps)
        slope = parameters["gamma"] / spread
        products = np.add.reduce((parameters["W"] * kernel).reshape(-1, len(sums)), axis=0)
        shift = parameters["b"] - parameters["mean"] if self.convolution.biased else -parameters["mean"]
        norm = {"gamma": (products + shift * sums) / spread, "beta": sums}
        return {"W": slope * kernel} | {name: slope * value for name, value in bias.items()} | norm

    def pushforward(self, xp: Namespace, parameters: Parameters, saved: Saved, ds: Array) -> Array:
        """Raise `TypeError`: who asks for more than first-order products takes the parts."""
        raise TypeError("fused parts have no pushforward")

    def _weights(self, xp: Any, parameters: Parameters) -> Weights:
        """Return the weights with the norm in them."""
        space: NumbaNamespace = xp
        names = [name for name in self.parameters if name != "W"]

        def make() -> Weights:
            kernel, bias = parameters["W"], parameters["b"] if "b" in names else None
            if self.norm is None:
                return Weights(kernel, bias)
            slope = parameters["gamma"] / np.sqrt(parameters["variance"] + self.norm.eps)
            shift = -parameters["mean"] if bias is None else bias - parameters["mean"]
            return Weights(kernel * slope, parameters["beta"] + slope * shift, owned=True)

        return space.packed(parameters["W"], tuple(parameters[name] for name in names), make)


def fused(network: Network, *, norms: bool = True) -> Network:
    """Return the network with parts fused wherever kernels have them; norms stay parts of their own if not wanted."""
    shapes = {-1: network.input_shape} | dict(enumerate(network.layer_shapes))
    layers: list[Layer] = []
    for layer in network.layers:
        branches = tuple(
            replace(branch, chain=_fused_chain(branch.chain, shapes[branch.source], norms)) for branch in layer.branches
        )
        summed = layer.branches[0].chain.output_shape(shapes[layer.branches[0].source])
        layers.append(joined(Layer(branches, _fused_chain(layer.then, summed, norms))))
    return replace(network, layers=tuple(layers))


@dataclass(frozen=True)
class Joined(Layer):
    """A layer of branches, the first of which takes what the others make into its kernel, and the layer's ending."""

    first: Fused = field(kw_only=True)
    last: Fused = field(kw_only=True)

    def forward(self, xp: Namespace, parameters: Parameters, states: Mapping[int, Array]) -> tuple[Array, Saved]:
        """Return the prediction from the states it reads, by number, and what is saved."""
        rest = Layer(self.branches[1:])
        total, (others, _) = rest.forward(xp, parameters, states)
        own, s = self.branches[0].own(parameters), states[self.branches[0].source]
        value, first, slopes = self.first.before(xp, own, s, total, self.last.ending)
        return value, (((first,), *others), ((None, slopes),))


def joined(layer: Layer) -> Layer:
    """Return a layer with its first branch joined to the others where kernels allow that."""
    if len(layer.branches) < 2 or (len(layer.branches[0].chain.parts), len(layer.then.parts)) != (1, 1):
        return layer
    first, last = layer.branches[0].chain.parts[0], layer.then.parts[0]
    if not (isinstance(first, Fused) and isinstance(last, Fused)) or first.convolution is None or last.convolution:
        return layer
    return layer if first.ending.curved else Joined(layer.branches, layer.then, first=first, last=last)


def _fused_chain(chain: Chain, shape: Shape, norms: bool) -> Chain:
    found: list[Part] = []
    rest = chain.parts
    while rest:
        count, part = _first(rest, shape, norms)
        found.append(part)
        for own in rest[:count]:
            shape = own.output_shape(shape)
        rest = rest[count:]
    return Chain(tuple(found))


def _first(parts: tuple[Part, ...], shape: Shape, norms: bool) -> tuple[int, Part]:
    """Return how many of the parts are fused, and into what: one, as it is, where there is no kernel."""
    rest = list(parts)
    before = len(rest)

    def next_is(kind: type[Any]) -> Any:
        return rest.pop(0) if rest and type(rest[0]) is kind else None

    if rest and type(rest[0]) is BatchNorm and not norms:
        return 1, MeasuredNorm(rest[0].channels, rest[0].eps)
    convolved: Convolution | None = next_is(Convolution)
    norm: BatchNorm | None = next_is(BatchNorm) if convolved is not None and norms else None
    given = shape if convolved is None else convolved.output_shape(shape)
    ending = Ending(LINEAR, 0.0, 1.0, *(given if len(given) == 3 else (1, 1, given[-1])), 1, 1, False, False)
    known = _known(rest[0]) if rest and len(given) in (1, 3) else None
    if known is not None:
        del rest[0]
        ending = ending._replace(activation=known[0], negative_slope=known[1], curved=known[0] != LINEAR)
    if rest and isinstance(rest[0], Scale) and rest[0].factor > 0.0:
        ending = ending._replace(factor=next_is(Scale).factor)
    pool: MaxPool | AveragePool | None = next_is(MaxPool) or next_is(AveragePool)
    if pool is not None:
        tile = {"tile_rows": pool.height, "tile_columns": pool.width, "largest": isinstance(pool, MaxPool)}
        ending = ending._replace(**tile, curved=True)
    count = before - len(rest)
    if count == 0 or (convolved is None and not ending.curved):
        return 1, parts[0]
    return count, Fused(parts[:count], shape, convolved, norm, ending)


def _known(part: Part) -> tuple[int, float] | None:
    """Return an activation as kernels know it, None for parts and activations of others."""
    if not isinstance(part, Pointwise):
        return None
    try:
        return lowered_activation(KERNELS, part.activation)
    except UsageError:
        return None
