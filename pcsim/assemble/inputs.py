"""The arrays of a run: parameters loaded or drawn, the batch read and checked against the network."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from pcsim import initialisers
from pcsim.datasets import check_labels, first_batch, load_dataset, targets
from pcsim.errors import UsageError
from pcsim.network import Network
from pcsim.scenario import Scenario
from pcsim.weights import read_parameters


@dataclass(frozen=True)
class Inputs:
    """The arrays of a run, in float64: parameters by layer, input x (batch, n_in), target y (batch, n_out)."""

    parameters: tuple[dict[str, NDArray[np.float64]], ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    source: str


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
