"""Lowering: networks, methods and steppers in the numbers that hand-written kernels know them by, or a refusal.

`net.cu` has the same words in the same order.
"""

from math import prod
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from pcsim.errors import UsageError
from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    ErrorsFirst,
    FixedPredictions,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    Inference,
    SequentialStateOptimization,
    StateOptimization,
    is_masked,
)
from pcsim.inference.steppers import Adam, Clipped, Decaying, GradientDescent, Momentum, Stepper
from pcsim.learning import AfterEveryStep, AtTheEnd
from pcsim.model.activations import Activation, Gelu, LeakyRelu, Linear, Sigmoid, Tanh
from pcsim.model.energy import Energy
from pcsim.model.layers import DenseLayer, Layer, read_as_dense
from pcsim.model.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    NoTarget,
    SoftClampedSquaredError,
    SquaredError,
    Weighted,
)
from pcsim.model.precisions import PrecisionMatrix
from pcsim.typing import NDArray

LINEAR, TANH, SIGMOID, RELU, LEAKY_RELU, GELU = range(6)
SQUARED, CROSS_ENTROPY, BINARY = range(3)
DESCENT, MOMENTUM, ADAM = range(3)
STATE, SEQUENTIAL, INCREMENT, SEQUENTIAL_INCREMENT, ERROR, BACKPROP = range(6)
# Columns of `Lowered.scales`.
PREMULTIPLIER, NEGATIVE_SLOPE, PRECISION, DECAY = range(4)
NOTHING = -1
"""No skip, no bias, nobody that reads a state."""

METHODS: dict[type[Inference], int] = {
    StateOptimization: STATE,
    FixedPredictions: STATE,
    SequentialStateOptimization: SEQUENTIAL,
    IncrementStateOptimization: INCREMENT,
    IncrementSequentialStateOptimization: SEQUENTIAL_INCREMENT,
    ErrorOptimization: ERROR,
    Backprop: BACKPROP,
}
"""By class: what somebody derives from a method may differ from it in what no kernel knows of."""


class Motion(NamedTuple):
    """A stepper: its kind, how many arrays it remembers of every variable, and its numbers, 0 without use.

    The step size is divided by 1 + decay (t − 1); `clip` is the largest norm of a gradient in each sample and layer.
    """

    kind: int
    memories: int
    step_size: float
    keep: float = 0.0
    keep_squares: float = 0.0
    eps: float = 0.0
    decay: float = 0.0
    clip: float = 0.0


class Kernels(NamedTuple):
    """A backend with hand-written kernels, what to do about all that it has none for, and whether they clip."""

    backend: str
    remedy: str
    clips: bool = False

    def without(self, what: str) -> str:
        """Return the line on something without kernels."""
        return f"{self.backend} has no kernels for {what}; {self.remedy}"

    @property
    def masks(self) -> str:
        """The line on masks."""
        return self.without("masked inputs and outputs")

    @property
    def weighting(self) -> str:
        """The line on losses with a precision."""
        return self.without("inference.output_precision beside an entropy")

    @property
    def errors_first(self) -> str:
        """The line on steps of error optimization before those of state optimization."""
        return self.without("inference.error_steps")

    @property
    def starts(self) -> str:
        """The line on training whose inference starts elsewhere."""
        return self.without("a start of inference in training but the feedforward pass")

    @property
    def noise(self) -> str:
        """The line on steps with noise."""
        return self.without("inference.noise in discrete steps")

    @property
    def clipping(self) -> str:
        """The line on clipped gradients."""
        return self.without("inference.clip")


class LoweredLayer(NamedTuple):
    """A layer; `starts` says that it is the start of a free input, which has no weights."""

    n_in: int
    n_out: int
    source: int
    skip: int
    activation: int
    weights_first: bool
    starts: bool
    biased: bool


class Lowered(NamedTuple):
    """A network with its energy: `share` is what a soft clamp leaves of the squared error, 0 with a free output."""

    layers: tuple[LoweredLayer, ...]
    scales: Float64[NDArray[np.float64], "layers 4"]
    readers: tuple[tuple[int, ...], ...]
    loss: int
    share: float


def lowered_method(kernels: Kernels, inference: Inference) -> int:
    """Return a method in numbers; raises `UsageError` for what the backend has no kernels for."""
    if is_masked(inference):
        raise UsageError(kernels.masks)
    if inference.traits.ends:
        raise UsageError(kernels.without("inference.solver in training"))
    if inference.traits.starts_elsewhere:
        raise UsageError(kernels.starts)
    if inference.traits.draws:
        raise UsageError(kernels.noise)
    if isinstance(inference, ErrorsFirst):
        raise UsageError(kernels.errors_first)
    if type(inference) not in METHODS:
        raise UsageError(kernels.without(type(inference).__name__))
    return METHODS[type(inference)]


def require_rule(kernels: Kernels, rule: object) -> None:
    """Raise `UsageError` for learning by a rule that the backend has no kernels for."""
    if not isinstance(rule, AtTheEnd | AfterEveryStep):
        raise UsageError(kernels.without(f"learning by {type(rule).__name__}"))


def lowered_stepper(kernels: Kernels, stepper: Stepper, decay: float = 0.0) -> Motion:
    """Return a stepper in numbers; raises `UsageError` for what the backend has no kernels for."""
    match stepper:
        case Decaying():
            return lowered_stepper(kernels, stepper.stepper, stepper.decay)
        case GradientDescent():
            return Motion(DESCENT, 0, stepper.step_size, decay=decay)
        case Momentum():
            return Motion(MOMENTUM, 1, stepper.step_size, stepper.momentum, decay=decay)
        case Adam():
            return Motion(ADAM, 2, stepper.step_size, stepper.beta1, stepper.beta2, stepper.eps, decay)
        case Clipped() if kernels.clips:
            return lowered_stepper(kernels, stepper.stepper, decay)._replace(clip=stepper.largest)
        case Clipped():
            raise UsageError(kernels.clipping)
        case _:
            raise UsageError(kernels.without(type(stepper).__name__))


def lowered(kernels: Kernels, energy: Energy) -> Lowered:
    """Return a network in numbers; raises `UsageError` for what the backend has no kernels for."""
    network, shapes = energy.network, energy.network.layer_shapes
    layers: list[LoweredLayer] = []
    scales = np.ones((len(shapes), 4))
    for i, (layer, shape) in enumerate(zip(network.layers, shapes, strict=True)):
        dense = _dense(kernels, layer)
        activation, slope = lowered_activation(kernels, dense.activation)
        if dense.skip == -1:
            raise UsageError(kernels.without("skips from the input"))
        skip, n_out = NOTHING if dense.skip is None else dense.skip, prod(shape)
        starts, first = dense.dense is None, not dense.activation_first
        n_in, biased = (n_out, False) if dense.dense is None else (dense.dense.n_in, dense.dense.biased)
        layers.append(LoweredLayer(n_in, n_out, dense.source, skip, activation, first, starts, biased))
        gamma, delta = (energy.precisions[i], energy.decays[i]) if i < len(shapes) - 1 else (1.0, 0.0)
        if isinstance(gamma, PrecisionMatrix):
            raise UsageError(kernels.without("precision matrices"))
        scales[i] = dense.premultiplier, slope, gamma, delta
    return Lowered(tuple(layers), scales, network.readers, *_lowered_loss(kernels, energy))


def _dense(kernels: Kernels, layer: Layer) -> DenseLayer:
    dense = read_as_dense(layer)
    if dense is None:
        kinds = ", ".join(dict.fromkeys(type(part).__name__ for part in layer.parts))
        raise UsageError(kernels.without(f"layers of {kinds}"))
    return dense


def lowered_activation(kernels: Kernels, activation: Activation) -> tuple[int, float]:
    """Return an activation in numbers, and its slope below zero; raises `UsageError` for one without kernels."""
    match activation:
        case Linear():
            return LINEAR, 0.0
        case Tanh():
            return TANH, 0.0
        case Sigmoid():
            return SIGMOID, 0.0
        case LeakyRelu(negative_slope=slope):
            return (RELU if slope == 0.0 else LEAKY_RELU), slope
        case Gelu():
            return GELU, 0.0
        case _:
            raise UsageError(kernels.without(type(activation).__name__))


def _lowered_loss(kernels: Kernels, energy: Energy) -> tuple[int, float]:
    match energy.loss:
        case Weighted(loss=SquaredError(), precision=precision):
            return SQUARED, precision
        case Weighted():
            raise UsageError(kernels.weighting)
        case SquaredError():
            return SQUARED, 1.0
        case SoftClampedSquaredError(precision=gamma):
            return SQUARED, gamma / (1.0 + gamma)
        case NoTarget():
            return SQUARED, 0.0
        case CrossEntropy():
            return CROSS_ENTROPY, 1.0
        case BinaryCrossEntropy():
            return BINARY, 1.0
        case _:
            raise UsageError(kernels.without(type(energy.loss).__name__))
