"""The words of `network.layers`: one table a predictive layer."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BeforeValidator, Field, model_serializer

from pcsim.scenario.fields import (
    LARGEST,
    LEAKY,
    MOST_LAYERS,
    Allowed,
    Count,
    CountOrZero,
    Flag,
    Inconsistency,
    NonNegative,
    Number,
    OpenWord,
    Positive,
    Table,
)

Init = Literal[
    "orthogonal",
    "kaiming-uniform",
    "kaiming-normal",
    "kaiming",
    "xavier-uniform",
    "xavier-normal",
    "xavier",
    "normal",
    "uniform",
    "pytorch",
]
WAYS = ("conv", "dense", "part", "function")
"""What a layer can be made of."""
FUNCTION = r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$"
A_FUNCTION = 'a function of a module, as in "my_module:attention"'
OF_CONVOLUTIONS = ("kernel", "stride", "padding")
OF_INITS = ("gain", "std", "low", "high")


class Norm(Table):
    """Batch normalisation, `norm = { kind = "batch", statistics = "held" }`."""

    kind: Literal["batch"]
    """Batch normalisation, channel by channel."""
    statistics: Literal["held", "live"] = "held"
    """Held while states move, so that samples stay independent; or live, part of the map, which couples them."""


def _norm(value: Any) -> Any:
    return {"kind": "batch"} if value == "batch" else value


def _back(value: Any) -> Any:
    return {"back": value} if isinstance(value, int) and not isinstance(value, bool) else value


NormWord = Annotated[
    Norm | None,
    BeforeValidator(_norm, json_schema_input_type=Literal["batch"] | Norm),
    Allowed('"batch", or a table, as in { kind = "batch", statistics = "live" }'),
]


class _Written(Table):
    """A table inside a list, which is written with the keys that say something."""

    @model_serializer(mode="plain")
    def _write(self) -> dict[str, Any]:
        found = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in found.items() if value is not None and name not in self.unused()}

    def unused(self) -> tuple[str, ...]:
        """Return the keys that go without saying."""
        return ()


class Add(_Written):
    """What a layer adds before its activation, `add = { back = 2, conv = 128, kernel = 1, stride = 2 }`."""

    back: Count
    """How many layers below the state is that is added; 1 is the state that the layer itself reads."""
    conv: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Channels of a convolution that the state passes; without it the state is added as it is."""
    kernel: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Height and width of the convolution's kernel."""
    stride: Count = 1
    """Distance from one window of the convolution to the next."""
    padding: CountOrZero = 0
    """Width of the zeros around the image."""
    norm: NormWord = None
    """Batch normalisation after the convolution."""
    auxiliary: Flag = False
    """Whether the state passes a state of its own for every layer it goes beside, as auxiliary neurons."""

    def unused(self) -> tuple[str, ...]:
        """Return what belongs to convolutions where there is none, and what is off."""
        return (OF_CONVOLUTIONS if self.conv is None else ()) + (() if self.auxiliary else ("auxiliary",))


class LayerTable(_Written):
    """One predictive layer: pool(activation(norm(conv or dense) + added state))."""

    conv: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Channels that a convolution makes."""
    dense: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Units of a dense layer; an image before it is flattened row by row, channels last."""
    part: Annotated[str | None, OpenWord("part")] = None
    """Layer part of one's own in place of conv and dense, by the name it was registered by (docs/extending.md)."""
    options: Annotated[dict[str, Any] | None, Allowed("a table of what the part takes, as in { gain = 2.0 }")] = None
    """What the part is made with."""
    function: Annotated[str | None, Field(pattern=FUNCTION), Allowed(A_FUNCTION)] = None
    """Function of parameters and one sample in place of conv and dense, on the backend jax (docs/extending.md)."""
    parameters: Annotated[
        dict[
            Annotated[str, Field(pattern=r"^[A-Za-z](\w*[A-Za-z_])?$")],
            Annotated[tuple[Count, ...], Field(min_length=1)],
        ]
        | None,
        Allowed("a table of shapes by names that end in a letter, as in { W = [64, 64], b = [64] }"),
    ] = None
    """Shapes of the function's parameters: with two axes or more they are drawn as weights, others start at zero."""
    kernel: Annotated[Count | None, Allowed("a whole number, 1 or more")] = None
    """Height and width of the convolution's kernel."""
    stride: Count = 1
    """Distance from one window of the convolution to the next."""
    padding: CountOrZero = 0
    """Width of the zeros around the image."""
    bias: Annotated[Flag | None, Allowed("true or false")] = None
    """Whether there is a bias; without this word as network.bias says, and none before a norm."""
    norm: NormWord = None
    """Batch normalisation before the activation."""
    add: Annotated[
        Add | None,
        BeforeValidator(_back, json_schema_input_type=Count | Add),
        Allowed("a whole number, 1 or more, or a table, as in { back = 2, conv = 128, kernel = 1, stride = 2 }"),
    ] = None
    """State of a layer below that is added before the activation: how many layers below, or a table."""
    activation: Annotated[str | None, OpenWord("activation")] = None
    """Activation; without this word network.activation."""
    negative_slope: Annotated[NonNegative | None, Allowed("a number, 0 or more")] = None
    """Slope of leaky_relu below zero; without this word network.negative_slope."""
    pool: Annotated[
        Annotated[int, Field(strict=True, ge=1, le=LARGEST)] | Literal["global"] | None,
        Allowed('a whole number, 1 or more, or "global"', ("global",)),
    ] = None
    """Size of tiles that are pooled into one entry each, or "global" for the mean of all positions."""
    pool_kind: Literal["max", "average"] = "max"
    """Whether a tile becomes its largest entry or its mean."""
    init: Annotated[Init | None, Allowed("one of " + ", ".join(Init.__args__), Init.__args__)] = None
    """Initialiser of the weights; without this word that of the network."""
    gain: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Gain of the initialiser."""
    std: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Standard deviation of init = "normal"."""
    low: Annotated[Number | None, Allowed("a number")] = None
    """Lower end of init = "uniform"."""
    high: Annotated[Number | None, Allowed("a number")] = None
    """Upper end of init = "uniform"."""
    repeat: Annotated[
        int, Field(strict=True, ge=1, le=MOST_LAYERS), Allowed(f"a whole number from 1 to {MOST_LAYERS:,}")
    ] = 1
    """How many such layers follow one another."""

    def unused(self) -> tuple[str, ...]:
        """Return what goes without saying here."""
        found = () if self.pool is not None and self.pool != "global" else ("pool_kind",)
        found += OF_CONVOLUTIONS if self.conv is None else ()
        return found + (("repeat",) if self.repeat == 1 else ())


def layer_problems(layers: tuple[LayerTable, ...]) -> Iterator[Inconsistency]:
    """Yield what in single layers does not go together."""
    for i, layer in enumerate(layers):
        where, given = f"network.layers[{i}]", layer.model_fields_set
        ways = [way for way in WAYS if getattr(layer, way) is not None]
        if len(ways) != 1:
            found = " and ".join(ways) or f"none of {', '.join(WAYS)}"
            yield Inconsistency((where,), f"network.layers: layer {i} has {found}; give it one of them")
            continue
        yield from _part_problems(i, layer)
        yield from _convolution(f"network.layers: layer {i}", where, layer.conv, layer.kernel, given)
        if layer.add is not None:
            own = layer.add.model_fields_set
            yield from _convolution(
                f"network.layers: add of layer {i}", f"{where}.add", layer.add.conv, layer.add.kernel, own
            )
            if layer.add.norm is not None and layer.add.conv is None:
                text = f"network.layers: add of layer {i} has a norm and no conv; give it a conv, or remove the norm"
                yield Inconsistency((f"{where}.add.norm",), text)
        if layer.dense is not None and layer.pool is not None:
            yield Inconsistency(
                (f"{where}.pool",), f"network.layers: layer {i} is dense and has no image to pool; remove pool"
            )
        if "pool_kind" in given and (layer.pool is None or layer.pool == "global"):
            need = "pool is global, a mean" if layer.pool == "global" else "there is no pool"
            yield Inconsistency((f"{where}.pool_kind",), f"network.layers: layer {i} has pool_kind, but {need}")
        yield from _init_problems(i, layer)


def activation_problems(layers: tuple[LayerTable, ...], activation: str | None, first: bool) -> Iterator[Inconsistency]:
    """Yield what of layers' activations is not used; `first` says that the lowest layer has none before its weights."""
    for i, layer in enumerate(layers):
        if layer.negative_slope is not None and (layer.activation or activation) != LEAKY:
            text = f"network.layers: layer {i} has negative_slope, but its activation is not {LEAKY}; remove it"
            yield Inconsistency((f"network.layers[{i}].negative_slope",), text)
    if first and layers[0].activation is not None and layers[0].repeat == 1:
        text = 'network.order = "activation-first" has no activation before the lowest weights; remove that of layer 0'
        yield Inconsistency(("network.layers[0].activation",), text)


def _part_problems(i: int, layer: LayerTable) -> Iterator[Inconsistency]:
    for key, owner in (("options", "part"), ("parameters", "function")):
        if getattr(layer, key) is not None and getattr(layer, owner) is None:
            text = f"network.layers: layer {i} has {key} and no {owner}; remove them"
            yield Inconsistency((f"network.layers[{i}].{key}",), text)
        if getattr(layer, owner) is not None and layer.bias is not None:
            text = f"network.layers: layer {i} is a {owner}, whose bias is its own; remove bias"
            yield Inconsistency((f"network.layers[{i}].bias",), text)


def _convolution(
    name: str, where: str, conv: int | None, kernel: int | None, given: set[str]
) -> Iterator[Inconsistency]:
    if conv is not None and kernel is None:
        yield Inconsistency((f"{where}.kernel",), f"{name} has a conv and no kernel; give its size, as in kernel = 3")
    if conv is None:
        for key in OF_CONVOLUTIONS:
            if key in given:
                yield Inconsistency((f"{where}.{key}",), f"{name} has {key} and no conv; remove it")


def _init_problems(i: int, layer: LayerTable) -> Iterator[Inconsistency]:
    needed = {"normal": ("std",), "uniform": ("low", "high")}.get(layer.init or "", ())
    for key in needed:
        if getattr(layer, key) is None:
            text = f'network.layers: layer {i} has init = "{layer.init}", which needs {key}'
            yield Inconsistency((f"network.layers[{i}].init",), text)
    if layer.low is not None and layer.high is not None and layer.low >= layer.high:
        text = f"network.layers: layer {i} has low = {layer.low:g} and high = {layer.high:g}; low must be less"
        yield Inconsistency((f"network.layers[{i}].low",), text)
    own = set(needed) if layer.init in ("normal", "uniform", "pytorch") else {"gain"}
    for key in OF_INITS:
        if getattr(layer, key) is not None and (layer.init is None or key not in own):
            named = "no init that uses it" if layer.init is None else f'init = "{layer.init}" does not use it'
            text = f"network.layers: layer {i} has {key}, but {named}; remove it, or name its init"
            yield Inconsistency((f"network.layers[{i}].{key}",), text)


class Entry(NamedTuple):
    """A predictive layer: its place in the list, its words, and the numbers of the states that it reads and adds.

    −1 is the input. Auxiliary neurons have no words: they are what they read. `below` are the layers of the list, those
    that repeat counted, that it could add.
    """

    place: int
    words: LayerTable | None
    below: int
    reads: int
    adds: int = -1


def expanded(layers: tuple[LayerTable, ...]) -> tuple[Entry, ...]:
    """Return every predictive layer, those that repeat as often as they do, auxiliary neurons before what adds them."""
    found: list[Entry] = []
    states = [-1]  # the input, and what each layer of the list becomes
    repeated = [(place, each) for place, each in enumerate(layers) for _ in range(each.repeat)]
    for place, layer in repeated:
        adds, below = -1, len(states) - 1
        if layer.add is not None and layer.add.back <= below:
            adds = states[-layer.add.back]
            for _ in range(layer.add.back - 1 if layer.add.auxiliary else 0):
                found.append(Entry(place, None, below, adds))
                adds = len(found) - 1
        found.append(Entry(place, layer, below, states[-1], adds))
        states.append(len(found) - 1)
    return tuple(found)
