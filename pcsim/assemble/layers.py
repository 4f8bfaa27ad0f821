"""From `network.layers` to layers of parts, and to the initialisers of their weights."""

import math
from collections.abc import Mapping

from pcsim.assemble.own_code import function_part, registered_part
from pcsim.errors import UsageError
from pcsim.extensions import find
from pcsim.model import activations
from pcsim.model.layers import (
    AveragePool,
    BatchNorm,
    Branch,
    Chain,
    Convolution,
    Dense,
    Flatten,
    Layer,
    LiveBatchNorm,
    MaxPool,
    Part,
    Pointwise,
    Scale,
    Shape,
)
from pcsim.model.network import Network, premultiplier
from pcsim.model.windows import Window
from pcsim.scenario import Scenario
from pcsim.scenario.layers import Add, Entry, LayerTable, Norm, expanded

SHIPPED: Mapping[str, activations.Activation] = {
    "linear": activations.Linear(),
    "tanh": activations.Tanh(),
    "sigmoid": activations.Sigmoid(),
    "relu": activations.LeakyRelu(0.0),
    "gelu": activations.Gelu(),
}


def build_activation(name: str | None, negative_slope: float) -> activations.Activation:
    """Return the activation of a name; raises `UsageError` where none is registered by it."""
    if name == "leaky_relu":
        return activations.LeakyRelu(negative_slope)
    return SHIPPED[name or "linear"] if name is None or name in SHIPPED else find("activation", name)


def build_listed(scenario: Scenario) -> Network:
    """Return the network of a list of layers; raises `UsageError`, at the layer, where shapes do not fit."""
    table = scenario.network
    entries = expanded(table.layers or ())
    given = table.input if isinstance(table.input, tuple) else (table.input or 0,)
    shapes: dict[int, Shape] = {-1: given}
    layers: list[Layer] = []
    for i, entry in enumerate(entries):
        try:
            layer = Layer((Branch(entry.reads),))
            if entry.words is not None:
                layer = _Builder(scenario, entry, entry.words, i, len(entries), shapes).layer()
            shapes[i] = layer.output_shape(shapes)
        except ValueError as error:
            where = scenario.where(f"network.layers[{entry.place}]")
            raise UsageError(f"{where}: layer {i} {error}") from None
        layers.append(layer)
    last = shapes[len(layers) - 1]
    if len(last) > 1:
        where = scenario.where("network.layers")
        raise UsageError(
            f"{where}: the output has shape {last}; end the list with a dense layer, as in {{ dense = 10 }}"
        )
    return Network(given, tuple(layers))


class _Builder:
    """One layer of a list: what it reads, its words, its number, and the shapes of what is below."""

    def __init__(
        self,
        scenario: Scenario,
        entry: Entry,
        words: LayerTable,
        number: int,
        count: int,
        shapes: Mapping[int, Shape],
    ) -> None:
        self._scenario, self._table, self._entry, self._words = scenario, scenario.network, entry, words
        self._number, self._count, self._shapes = number, count, shapes

    def layer(self) -> Layer:
        """Return the layer; raises `ValueError` where it does not fit."""
        words, source = self._words, self._entry.reads
        weighted = self._weighted(self._shapes[source])
        first = self._table.order == "activation-first"
        if first:
            return Layer((Branch(source, Chain((self._activation(), *weighted, *self._scale(weighted)))),))
        if words.add is None:
            activated = (*weighted, self._activation(), *self._scale(weighted))
            shape = Chain(activated).output_shape(self._shapes[source])
            return Layer((Branch(source, Chain((*activated, *self._pool(shape)))),))
        shape = Chain(weighted).output_shape(self._shapes[source])
        branches = (Branch(source, Chain(weighted)), self._added(words.add))
        return Layer(branches, Chain((self._activation(), *self._pool(shape))))

    def _weighted(self, shape: Shape) -> tuple[Part, ...]:
        words = self._words
        biased = words.bias if words.bias is not None else self._table.bias and words.norm is None
        if words.dense is not None:
            size = math.prod(shape)
            parts: tuple[Part, ...] = (Dense(size, words.dense, biased),)
            parts = (Flatten(shape), *parts) if len(shape) > 1 else parts
            return (*parts, *_norm(words.norm, words.dense))
        if words.conv is None:
            part = (
                registered_part(words, shape)
                if words.function is None
                else function_part(self._scenario, self._entry.place, words, shape)
            )
            return (part, *_norm(words.norm, part.output_shape(shape)[-1]))
        channels, window = words.conv, Window(words.kernel or 0, words.stride, words.padding)
        return (Convolution(_image(shape), channels, window, biased), *_norm(words.norm, channels))

    def _added(self, add: Add) -> Branch:
        state = self._entry.adds
        if state < 0:
            below = self._entry.below
            reach = f"add = 1 to {below} reach one" if below else "below it is the input alone"
            raise ValueError(f"adds what is {add.back} layers below it, which is no state: {reach}")
        if add.conv is None:
            return Branch(state, prefix="S")
        window = Window(add.kernel or 0, add.stride, add.padding)
        convolution = Convolution(_image(self._shapes[state]), add.conv, window, add.norm is None and self._table.bias)
        return Branch(state, Chain((convolution, *_norm(add.norm, add.conv))), "S")

    def _activation(self) -> Part:
        words, table = self._words, self._table
        if table.order == "activation-first" and self._number == 0:
            return Pointwise(activations.Linear())
        slope = table.negative_slope if words.negative_slope is None else words.negative_slope
        return Pointwise(build_activation(words.activation or table.activation, slope))

    def _scale(self, weighted: tuple[Part, ...]) -> tuple[Part, ...]:
        """Return the premultiplier of the parametrisation without skips (thesis Table 5.1)."""
        named, last = self._table.parametrisation, self._number == self._count - 1
        scale = 1.0 / self._table.gamma if last else 1.0
        if named != "standard":
            fan = next(p.fans[0] for part in weighted for p in part.parameters.values() if p.start == "drawn")
            scale *= premultiplier(fan, 1, last and self._number > 0, named == "mupc")
        return () if named == "standard" and scale == 1.0 else (Scale(scale),)

    def _pool(self, shape: Shape) -> tuple[Part, ...]:
        pool = self._words.pool
        if pool is None:
            return ()
        image = _image(shape)
        if pool == "global":
            return (AveragePool(image, *image[:2]),)
        kind = MaxPool if self._words.pool_kind == "max" else AveragePool
        return (kind(image, pool, pool),)


def _norm(norm: Norm | None, channels: int) -> tuple[Part, ...]:
    if norm is None:
        return ()
    return (BatchNorm(channels) if norm.statistics == "held" else LiveBatchNorm(channels),)


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(
            f"is a convolution, but what it reads has shape {shape} and is no image: give network.input as height, "
            "width and channels, and put convolutions before dense layers"
        )
    height, width, channels = shape
    return height, width, channels
