"""The arrays of a run: parameters loaded or drawn, the batch read and checked against the network."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pcsim import initialisers
from pcsim.assemble.roles import check_all_labels, fitted, named
from pcsim.datasets import Dataset, first_batch, load_dataset
from pcsim.errors import UsageError
from pcsim.learning.samples import Samples, Split, hold_out
from pcsim.network import Network
from pcsim.scenario import Scenario
from pcsim.weights import read_parameters


@dataclass(frozen=True)
class Inputs:
    """The arrays of a run, in float64: parameters by layer, input x (batch, n_in), target y (batch, n_out).

    Of a free input x is where it starts; of a free output y is zero.
    """

    parameters: tuple[dict[str, NDArray[np.float64]], ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    source: str


def read_dataset(scenario: Scenario) -> Dataset:
    """Read or generate the data set of a scenario; raises `UsageError` if its file cannot be used."""
    data = scenario.data
    # Generated samples: as many as one inference run takes, or as there are to learn from.
    samples = data.batch if scenario.learning is None else data.samples
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
    parameters = initial_parameters(scenario, network)
    data = scenario.data
    with named(scenario, "data.batch"):
        x, y = first_batch(dataset, data.batch, _data_seed(scenario) if data.shuffle else None)
    check_all_labels(scenario, network, dataset.y)
    x, y = fitted(scenario, network, x, y)
    if scenario.inference.input == "free" and scenario.inference.start == "normal":
        # One row of draws a sample: a sample starts the same whatever batch it is in.
        x = np.random.default_rng([scenario.seed, 5]).standard_normal(x.shape)
    return Inputs(parameters, x, y, dataset.source)


def initial_parameters(scenario: Scenario, network: Network) -> tuple[dict[str, NDArray[np.float64]], ...]:
    """Load or draw the parameters by layer; raises `UsageError` if their file cannot be used."""
    file = scenario.network.weights
    if file is None:
        return network.draw_parameters(_initialiser(scenario), scenario.seed)
    with named(scenario, "network.weights"):
        return read_parameters(file, network)


def load_samples(scenario: Scenario, network: Network, dataset: Dataset) -> Samples:
    """Return the samples to learn from, to validate and to test on.

    Raises `UsageError` if they do not fit the network, if there are fewer than asked for, or if nothing is left to
    learn from.
    """
    count = len(dataset) if scenario.data.samples is None else scenario.data.samples
    if count > len(dataset):
        raise UsageError(
            f"{scenario.where('data.samples')}: {count} samples asked for, but the data set '{dataset.name}' has "
            f"{len(dataset)} to learn from; use {len(dataset)} or fewer"
        )
    train = Split(*fitted(scenario, network, dataset.rows(slice(count)), dataset.y[:count]))
    test = None
    if dataset.x_test is not None and dataset.y_test is not None:
        test = Split(*fitted(scenario, network, dataset.x_test, dataset.y_test))
    with named(scenario, "data.validation"):
        train, validation = hold_out(train, scenario.data.validation, scenario.seed)
    return Samples(train, validation, test)


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
