"""From a scenario's words to the objects of a run: network, data, energy, inference, stepper, task."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from pcsim import activations, initialisers, losses, steppers
from pcsim.arithmetic import Arithmetic
from pcsim.backend import GradientNorm, Task
from pcsim.datasets import check_labels, first_batch, load_dataset, targets
from pcsim.energy import Energy
from pcsim.errors import UsageError
from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    FixedPredictions,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    Inference,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.network import Network, dense_chain
from pcsim.recording import every_so_many, log_spaced
from pcsim.scenario import Scenario
from pcsim.weights import read_parameters

MOST_ROWS = 10**8
"""Rows of a trace, whose steps alone then take 800 MB."""


@dataclass(frozen=True)
class Inputs:
    """The arrays of a run, in float64: parameters by layer, input x (batch, n_in), target y (batch, n_out)."""

    parameters: tuple[dict[str, NDArray[np.float64]], ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    source: str


def build_network(scenario: Scenario) -> Network:
    """Return the network a scenario describes."""
    table = scenario.network
    return dense_chain(
        tuple(table.widths),
        _activation(table.activation, table.negative_slope),
        activation_first=table.order == "activation-first",
        sigmoid_output=table.output == "sigmoid",
        bias=table.bias,
        skip=table.skip,
        mupc=table.parametrisation == "mupc",
    )


def load_inputs(scenario: Scenario, network: Network) -> Inputs:
    """Load or draw the parameters and read the batch.

    Raises `UsageError` if a file cannot be used, or if the data do not fit the network.
    """
    table = scenario.network
    if table.weights is not None:
        with named(scenario, "network.weights"):
            parameters = read_parameters(table.weights, network)
    else:
        parameters = network.draw_parameters(_initialiser(scenario), scenario.seed)
    data = scenario.data
    seed = scenario.seed if data.seed is None else data.seed
    with named(scenario, "data.file" if data.file is not None else "data.name"):
        dataset = load_dataset(
            data.name, file=data.file, seed=seed, samples=data.batch, slope=data.slope, noise=data.noise
        )
    with named(scenario, "data.batch"):
        x, y = first_batch(dataset, data.batch, seed if data.shuffle else None)
    n_in, n_out = network.input_shape[0], network.layer_shapes[-1][0]
    size = prod(x.shape[1:])
    if size != n_in:
        raise UsageError(
            f"{scenario.where('network.widths')}: the first width is {n_in}, but a sample of the data "
            f"'{data.name}' has {size} values (shape {x.shape[1:]}); set the first width to {size}"
        )
    with named(scenario, "network.widths"):
        y = targets(y, n_out, f"data '{data.name}'")
        check_labels(dataset.y, n_out, f"data '{data.name}'")
    _check_targets(scenario, y)
    return Inputs(parameters, x.reshape(len(x), n_in), y, dataset.source)


def _check_targets(scenario: Scenario, y: NDArray[np.float64]) -> None:
    """Raise `UsageError` for targets on which the loss is not bounded below."""
    loss = scenario.inference.loss
    beyond = {
        "squared-error": np.zeros(y.shape, dtype=bool),
        "cross-entropy": y < 0,
        "binary-cross-entropy": (y < 0) | (y > 1),
    }[loss]
    if beyond.any():
        sample, unit = map(int, np.argwhere(beyond)[0])
        allowed = "targets of 0 or more" if loss == "cross-entropy" else "targets from 0 to 1"
        raise UsageError(
            f"{scenario.where('inference.loss')}: {loss} takes {allowed}, but the target of sample {sample}, "
            f'unit {unit} is {y[sample, unit]:g}; use loss = "squared-error" or other targets'
        )


@contextmanager
def named(scenario: Scenario, key: str) -> Generator[None]:
    """Put the place of a scenario's key in front of errors raised inside."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{scenario.where(key)}: {error}") from error


def build_task(scenario: Scenario, network: Network, inputs: Inputs, precision: str) -> Task:
    """Return the inference run as a backend takes it."""
    table = scenario.inference
    inference = build_inference(scenario, network)
    steps = 1 if table.method == "backprop" else table.steps
    every = scenario.trace.every
    rows = steps // every + 1 if isinstance(every, int) else every.log
    if rows > MOST_ROWS:
        raise UsageError(
            f"{scenario.where('inference.steps')}: {steps} steps would make a trace of {rows:,} rows, at most "
            f"{MOST_ROWS:,} are allowed; record fewer, as in trace.every = {{ log = 200 }}"
        )
    return Task(
        inference=inference,
        stepper=_stepper(scenario),
        steps=steps,
        stop=None if table.stop is None else GradientNorm(table.stop.grad_norm),
        parameters=inputs.parameters,
        x=inputs.x,
        y=inputs.y,
        initial=_initial(scenario, network, len(inputs.x)),
        recorded=every_so_many(steps, every) if isinstance(every, int) else log_spaced(steps, every.log),
        record=frozenset(scenario.trace.record),
        precision=precision,
        arithmetic=Arithmetic(table.rounding, table.accumulate, scenario.seed),
    )


def build_inference(scenario: Scenario, network: Network) -> Inference:
    """Return the inference method on the scenario's energy."""
    free = len(network.layers) - 1
    energy = Energy(
        network,
        _loss(scenario),
        _per_layer(scenario.network.precisions, free),
        _per_layer(scenario.network.activity_decay, free),
    )
    increment = scenario.inference.form == "increment"
    match scenario.inference.method:
        case "state" if scenario.inference.predictions == "fixed":
            return FixedPredictions(energy)
        case "state":
            return IncrementStateOptimization(energy) if increment else StateOptimization(energy)
        case "error":
            return ErrorOptimization(energy)
        case "sequential":
            return IncrementSequentialStateOptimization(energy) if increment else SequentialStateOptimization(energy)
        case "backprop":
            return Backprop(energy)


def _activation(name: str, negative_slope: float) -> activations.Activation:
    return {
        "linear": activations.Linear(),
        "tanh": activations.Tanh(),
        "sigmoid": activations.Sigmoid(),
        "relu": activations.LeakyRelu(0.0),
        "leaky_relu": activations.LeakyRelu(negative_slope),
        "gelu": activations.Gelu(),
    }[name]


def _initialiser(scenario: Scenario) -> initialisers.Initialiser:
    table = scenario.network
    if table.parametrisation == "mupc":
        return initialisers.Normal(1.0)
    kind, _, law = table.init.partition("-")
    match kind:
        case "normal":
            return initialisers.Normal(_given(table.std))
        case "uniform":
            return initialisers.Uniform(_given(table.low), _given(table.high))
        case "orthogonal":
            return initialisers.Orthogonal(_given(table.gain))
        case "kaiming":
            return initialisers.Kaiming(law == "uniform", _given(table.gain))
        case _:
            return initialisers.Xavier(law == "uniform", _given(table.gain))


def _given(value: float | None) -> float:
    """Return a value that reading the scenario has made sure of."""
    if value is None:
        raise AssertionError("the scenario was read without the value its initialiser needs")
    return value


def _loss(scenario: Scenario) -> losses.Loss:
    table = scenario.inference
    if table.clamp == "soft":
        return losses.SoftClampedSquaredError(table.clamp_precision)
    return {
        "squared-error": losses.SquaredError(),
        "cross-entropy": losses.CrossEntropy(),
        "binary-cross-entropy": losses.BinaryCrossEntropy(),
    }[table.loss]


def _stepper(scenario: Scenario) -> steppers.Stepper:
    table = scenario.inference
    match table.optimizer:
        case "gd":
            return steppers.GradientDescent(table.step_size)
        case "momentum":
            return steppers.Momentum(table.step_size, table.momentum)
        case "adam":
            return steppers.Adam(table.step_size, table.beta1, table.beta2, table.eps)


def _initial(scenario: Scenario, network: Network, batch: int) -> tuple[NDArray[np.float64], ...] | None:
    if scenario.inference.start == "feedforward":
        return None
    sizes = [prod(shape) for shape in network.state_shapes]
    if scenario.inference.start == "zeros":
        drawn = np.zeros((batch, sum(sizes)))
    else:
        # One row of draws a sample: a sample starts the same whatever batch it is in.
        drawn = np.random.default_rng([scenario.seed, 1]).standard_normal((batch, sum(sizes)))
    parts = np.split(drawn, np.cumsum(sizes)[:-1], axis=1) if sizes else []
    return tuple(part.reshape(batch, *shape) for part, shape in zip(parts, network.state_shapes, strict=True))


def _per_layer(value: float | Sequence[float], layers: int) -> tuple[float, ...]:
    return tuple(value) if isinstance(value, Sequence) else (value,) * layers
