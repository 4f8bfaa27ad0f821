"""The arrays of a run: parameters loaded or drawn, the batch read and checked against the network."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim import initialisers
from pcsim.datasets import Dataset, check_labels, first_batch, load_dataset, targets
from pcsim.errors import UsageError
from pcsim.learning.samples import Samples, Split, hold_out
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


def read_dataset(scenario: Scenario) -> Dataset:
    """Read or generate the data set of a scenario; raises `UsageError` if its file cannot be used."""
    data = scenario.data
    # Generated samples: as many as one inference run takes, or the generator's own number to learn from.
    samples = data.batch if scenario.learning is None else None
    with named(scenario, "data.file" if data.file is not None else "data.name"):
        return load_dataset(
            data.name, file=data.file, seed=_data_seed(scenario), samples=samples, slope=data.slope, noise=data.noise
        )


def _data_seed(scenario: Scenario) -> int:
    return scenario.seed if scenario.data.seed is None else scenario.data.seed


def load_inputs(scenario: Scenario, network: Network, dataset: Dataset) -> Inputs:
    """Load or draw the parameters and take the batch from the data.

    Raises `UsageError` if a file cannot be used, or if the data do not fit the network.
    """
    table = scenario.network
    if table.weights is not None:
        with named(scenario, "network.weights"):
            parameters = read_parameters(table.weights, network)
    else:
        parameters = network.draw_parameters(_initialiser(scenario), scenario.seed)
    data = scenario.data
    with named(scenario, "data.batch"):
        x, y = first_batch(dataset, data.batch, _data_seed(scenario) if data.shuffle else None)
    with named(scenario, "network.widths"):
        check_labels(dataset.y, network.layer_shapes[-1][0], f"data '{data.name}'")
    x, y = fitted(scenario, network, x, y)
    return Inputs(parameters, x, y, dataset.source)


def load_samples(scenario: Scenario, network: Network, dataset: Dataset) -> Samples:
    """Return all samples of the data to learn from, to validate and to test on.

    Raises `UsageError` if they do not fit the network, or if nothing is left to learn from.
    """
    train = Split(*fitted(scenario, network, dataset.x, dataset.y))
    test = None
    if dataset.x_test is not None and dataset.y_test is not None:
        test = Split(*fitted(scenario, network, dataset.x_test, dataset.y_test))
    with named(scenario, "data.validation"):
        train, validation = hold_out(train, scenario.data.validation, scenario.seed)
    return Samples(train, validation, test)


def fitted(
    scenario: Scenario, network: Network, x: NDArray[np.float64], y: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return flat inputs (samples, n_in) and targets (samples, n_out); raises `UsageError` unless they fit."""
    n_in, n_out, name = network.input_shape[0], network.layer_shapes[-1][0], scenario.data.name
    size = prod(x.shape[1:])
    if size != n_in:
        raise UsageError(
            f"{scenario.where('network.widths')}: the first width is {n_in}, but a sample of the data "
            f"'{name}' has {size} values (shape {x.shape[1:]}); set the first width to {size}"
        )
    with named(scenario, "network.widths"):
        y = targets(y, n_out, f"data '{name}'")
    _check_targets(scenario, y)
    return x.reshape(len(x), n_in), y


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
