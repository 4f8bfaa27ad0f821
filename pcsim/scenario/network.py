"""The `[network]` table: sizes, activations, parametrisation, initialisation."""

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pcsim.scenario.fields import (
    MOST_LAYERS,
    Allowed,
    Count,
    FilePath,
    Flag,
    Inconsistency,
    NonNegative,
    Number,
    OpenWord,
    Positive,
    SkipLength,
    Table,
    clash,
    require_consistent,
)
from pcsim.scenario.layers import FUNCTION, Init, LayerTable, activation_problems, expanded, layer_problems
from pcsim.scenario.precisions import Precisions, length_problems

SHORTHANDS: dict[str, Init] = {"kaiming": "kaiming-uniform", "xavier": "xavier-uniform"}
GAINS = {"orthogonal": 1.0, "kaiming": math.sqrt(2), "xavier": 1.0}
BESIDE_WEIGHTS = ("norm", "add", "pool", "part", "function")
WITH_GAIN = tuple(word for word in Init.__args__ if word not in ("normal", "uniform", "pytorch"))


def _spell_out(init: Init) -> Init:
    return SHORTHANDS.get(init, init)


class Hidden(Table):
    """A row of equal hidden layers, `hidden = { layers = 19, width = 128 }`."""

    layers: Annotated[
        int, Field(strict=True, ge=0, le=MOST_LAYERS), Allowed(f"a whole number from 0 to {MOST_LAYERS:,}")
    ]
    """Number of hidden layers."""
    width: Count
    """Units in each hidden layer."""


class Sizes(Table):
    """The other way to give the widths: input, hidden and output."""

    input: Count
    """Size of the input."""
    hidden: Annotated[Hidden, Allowed("a table, as in { layers = 19, width = 128 }")]
    """The hidden layers, all of one width."""
    output: Count
    """Size of the output."""

    @property
    def widths(self) -> list[int]:
        """The sizes from the input to the output."""
        return [self.input, *[self.hidden.width] * self.hidden.layers, self.output]


class Output(Table):
    """The output of a named architecture, `output = { width = 10, activation = "sigmoid" }`."""

    width: Count
    """Units of the output."""
    activation: Literal["linear", "sigmoid"] = "linear"
    """Activation of the output."""


class Named(Table):
    """A named architecture, which stands for a list of layers."""

    architecture: Literal["vgg-5", "vgg-7", "vgg-9", "resnet-18"]
    """The network of the EO paper's Table D.9 or D.10: vgg-5, vgg-7, vgg-9 or resnet-18."""
    width: Positive = 1.0
    """Factor on the numbers of channels."""
    statistics: Literal["held", "live"] = "held"
    """Statistics of the norms of an architecture that has some: held while states move, or live."""
    output: Annotated[Output, Allowed("the number of classes, or a table, as in { width = 10 }")]
    """Size of the output, or a table with its activation."""


class NetworkTable(Table):
    """Layers, activations, parametrisation and initial weights (`[network]`)."""

    widths: Annotated[
        tuple[Count, ...],
        Field(min_length=2),
        Allowed("a list of two or more sizes, as in [64, 128, 10], each a whole number, 1 or more"),
    ] = ()
    """Sizes of the input, the hidden layers and the output, in this order, of a chain of dense layers."""
    input: Annotated[
        Count | tuple[Count, Count, Count] | None,
        Allowed("a whole number, 1 or more, or height, width and channels, as in [32, 32, 3]"),
    ] = None
    """Shape of a sample where `layers` are listed: a number, or height, width and channels; beside hidden and output
    its size, or "data" for that of a sample of the data set."""
    layers: Annotated[
        tuple[LayerTable, ...] | None,
        Field(min_length=1),
        Allowed("a list of tables, one a layer, as in [{ conv = 64, kernel = 3 }, { dense = 10 }]"),
    ] = None
    """Layers one by one, in place of widths."""
    built: Annotated[
        str | None,
        Field(pattern=f"^python$|{FUNCTION}"),
        Allowed('a function of a module, as in "my_module:my_network"'),
    ] = None
    """Function that returns the network, a pcsim.Network, in place of widths and layers; "python" for one that is given
    in the call."""
    activation: Annotated[str | None, OpenWord("activation")] = None
    """Activation function of the hidden layers, of listed ones of all that name none; gelu is the exact one."""
    negative_slope: NonNegative = 0.01
    """Slope of leaky_relu below zero."""
    order: Literal["weights-first", "activation-first"] = "weights-first"
    """Layer map: activation(W s + b), or W activation(s) + b with a first layer without activation."""
    output: Literal["linear", "sigmoid"] = "linear"
    """Activation of the output layer; sigmoid needs the order weights-first."""
    init: Annotated[Init, AfterValidator(_spell_out)] = "kaiming-uniform"
    """Initialiser of the weights; kaiming and xavier alone mean the uniform ones."""
    gain: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Gain of the orthogonal (default 1), kaiming (square root of 2) and xavier (1) initialisers."""
    std: Annotated[Positive | None, Allowed("a number greater than 0")] = None
    """Standard deviation of init = "normal", which needs it."""
    low: Annotated[Number | None, Allowed("a number")] = None
    """Lower end of init = "uniform", which needs it."""
    high: Annotated[Number | None, Allowed("a number")] = None
    """Upper end of init = "uniform", which needs it."""
    bias: Flag = True
    """Whether layers have a bias; it starts at zero."""
    parametrisation: Literal["standard", "mupc", "ntp"] = "standard"
    """Standard, or the premultipliers and unit normal weights of muPC, or of the neural tangent parametrisation."""
    gamma: Positive = 1.0
    """What the output layer's premultiplier is divided by: small where features hardly move, large where they do."""
    skip: SkipLength = 0
    """Residual connections on hidden layers: false, true (from the layer before) or their length."""
    weights: Annotated[FilePath | None, Allowed("the path of an .npz or .safetensors file or a trace, in quotes")] = (
        None
    )
    """Parameters to start from: .npz or .safetensors with W0, b0, W1, ... of shapes (n_in, n_out) and (n_out,)."""
    layout: Literal["pcsim", "torch"] | None = None
    """How the arrays of weights are ordered: pcsim, or torch with (n_out, n_in), kernels (n_out, n_in, k, k) and images
    flattened channels first; without it as the file says, or else pcsim."""
    precisions: Precisions = 1.0
    """Precision of the errors, one for all hidden layers or a list of one for each: a number, or of a dense layer a
    matrix that is symmetric and positive definite, as a list of its rows or of its diagonal."""
    activity_decay: Annotated[
        NonNegative | tuple[NonNegative, ...],
        Allowed("a number, 0 or more, or a list of one such number for each hidden layer"),
    ] = 0.0
    """Decay of the states towards zero, one for all hidden layers or a list of one for each."""

    @classmethod
    def needed(cls) -> list[str]:
        """Return the keys of the plainest network."""
        return ["widths", "activation"]

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that the network is code of, each once."""
        named = [self.built, *(layer.function for layer in self.layers or ())]
        return tuple(dict.fromkeys(name.partition(":")[0] for name in named if name and name != "python"))

    @property
    def hidden(self) -> int:
        """Number of hidden layers."""
        return len(self.widths) - 2 if self.layers is None else len(expanded(self.layers)) - 1

    @property
    def activations(self) -> tuple[str, ...]:
        """Activations of the hidden layers, each once."""
        if self.built is not None:
            return ()
        if self.layers is None:
            return (self.activation or "linear",)
        words = [entry.words for entry in expanded(self.layers) if entry.words is not None]
        found = [each.activation or self.activation or "linear" for each in words]
        return tuple(dict.fromkeys(found[:-1] or found))

    @property
    def output_activation(self) -> str | None:
        """Activation of the output layer."""
        if self.built is not None:
            return None
        if self.layers is None:
            return self.output
        last = self.layers[-1].activation
        return self.activation if last is None else last

    @model_validator(mode="before")
    @classmethod
    def _fill_gain(cls, given: Any) -> Any:
        init = given.get("init", "kaiming-uniform") if isinstance(given, dict) else None
        if not isinstance(init, str) or given.get("gain") is not None:
            return given
        gain = GAINS.get(init.split("-")[0])
        return given if gain is None else {**given, "gain": gain}

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.built is not None:
            # What the words of layers say plays no part.
            require_consistent(list(_init_problems(self)))
            return self
        require_consistent(
            [
                *_init_problems(self),
                *_output_problems(self),
                *length_problems(
                    {"precisions": self.precisions, "activity_decay": self.activity_decay},
                    self.hidden,
                    "network.widths" if self.layers is None else "network.layers",
                ),
                *_skip_problems(self),
                *_activation_problems(self),
                *_list_problems(self),
            ]
        )
        return self


def _init_problems(network: NetworkTable) -> Iterator[Inconsistency]:
    if network.weights is not None or network.parametrisation != "standard":
        return
    needed = {"normal": {"std": " greater than 0"}, "uniform": {"low": "", "high": ""}}.get(network.init, {})
    for key, bound in needed.items():
        if getattr(network, key) is None:
            text = f'network.{key} is missing; init = "{network.init}" needs it, a number{bound}'
            yield Inconsistency(("network.init",), text)
    if network.low is not None and network.high is not None and network.low >= network.high:
        text = f"network.low is {network.low} and network.high is {network.high}; low must be the smaller one"
        yield Inconsistency(("network.low", "network.high"), text)


def _output_problems(network: NetworkTable) -> Iterator[Inconsistency]:
    if network.output == "sigmoid" and network.order == "activation-first":
        advice = 'write output = "linear" or order = "weights-first"'
        yield clash('network.output = "sigmoid"', 'order = "activation-first"', advice)


def _skip_problems(network: NetworkTable) -> Iterator[Inconsistency]:
    length, sizes = network.skip, network.widths[1:-1]
    keys = ("network.skip", "network.widths")
    if not length or network.layers is not None:
        return
    if length >= len(sizes):
        most = f"at most {len(sizes) - 1}" if len(sizes) > 1 else "none (skip = false)"
        plural = "" if len(sizes) == 1 else "s"
        text = f"network.skip: length {length} fits no layer; {len(sizes)} hidden layer{plural} allow {most}"
        yield Inconsistency(keys, text)
    unequal = (i for i in range(len(sizes) - length) if sizes[i] != sizes[i + length])
    if (start := next(unequal, None)) is not None:
        end = start + length
        text = (
            f"network.skip: a skip of length {length} joins hidden layers {start + 1} and {end + 1}, "
            f"which have {sizes[start]} and {sizes[end]} units; make their widths equal"
        )
        yield Inconsistency(keys, text)


def _activation_problems(network: NetworkTable) -> Iterator[Inconsistency]:
    unnamed = network.layers is None or any(layer.activation is None for layer in network.layers)
    if network.activation is None and unnamed:
        whose = "" if network.layers is None else " for the layers that name none"
        allowed = OpenWord("activation").allowed.phrase
        yield Inconsistency(("network",), f"network.activation is missing{whose}; give {allowed}")


def _list_problems(network: NetworkTable) -> Iterator[Inconsistency]:
    """Yield what does not go with a list of layers, and what in it does not go together."""
    if network.layers is None:
        return
    if network.input is None:
        advice = "give the shape of a sample, as in input = 784 or input = [32, 32, 3]"
        yield Inconsistency(("network.layers",), f"network.input is missing; {advice}")
    if network.skip:
        yield clash(f"network.skip = {network.skip}", "layers", "say it in the list, by add in a layer")
    yield from layer_problems(network.layers)
    yield from activation_problems(network.layers, network.activation, network.order == "activation-first")
    plain = network.order == "weights-first" and network.parametrisation == "standard"
    for i, layer in enumerate(() if plain else network.layers):
        extra = next((key for key in BESIDE_WEIGHTS if getattr(layer, key) is not None), None)
        if extra is not None:
            own = f'parametrisation = "{network.parametrisation}"'
            choice = 'order = "activation-first"' if network.order != "weights-first" else own
            text = f"network.{choice} takes dense and conv layers alone, but layer {i} has {extra}; remove one of them"
            yield Inconsistency((f"network.layers[{i}].{extra}",), text)
