"""The arrays of a run: parameters loaded or drawn, the batch read and checked against the network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from pcsim.assemble.amortiser import with_drawn_amortiser
from pcsim.assemble.digests import data_sha256, parameters_sha256
from pcsim.assemble.initialisers import build_initialisers
from pcsim.assemble.masks import build_mask
from pcsim.assemble.precisions import precisions_of
from pcsim.assemble.roles import fitted, named, sizes_key, with_labels_checked
from pcsim.assemble.room import require_memory
from pcsim.assemble.scaling import with_scaling
from pcsim.datasets import Dataset, first_batch, load_dataset, require_range
from pcsim.errors import UsageError
from pcsim.learning.pixels import pixels, whole
from pcsim.learning.samples import DataParts, Split, hold_out
from pcsim.model.initialisers import Initialiser
from pcsim.model.network import PRECISION, Network
from pcsim.scenario import Scenario
from pcsim.typing import NDArray
from pcsim.weights import read_parameters

MOST_KEPT = 2**22
"""Parameters of a network, at most, to keep once drawn: scenarios that differ in precision or method draw the same."""


@dataclass(frozen=True)
class Hidden:
    """What is behind a mask: `mask` (units,) is true where samples are hidden, `truth` (batch, units) the whole ones.

    `mean` (units,) is the mean of all samples to learn from, what one would guess knowing nothing of this one.
    """

    mask: NDArray[np.bool_]
    truth: NDArray[np.float64]
    mean: NDArray[np.float64]


@dataclass(frozen=True)
class Inputs:
    """The arrays of a run, in float64: parameters by layer, input x (batch, n_in), target y (batch, n_out).

    Of a free input, and at the masked units of another, x is where it starts; of a free output, and at masked units, y
    is zero. `hidden` is there where samples are masked. `digests` are SHA-256 sums of what was read, by name:
    `data_sha256` of all samples, `weights_sha256` of a weights file.
    """

    parameters: tuple[dict[str, NDArray[np.float64]], ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    source: str
    hidden: Hidden | None = None
    digests: Mapping[str, str] = field(default_factory=dict[str, str])


def read_dataset(scenario: Scenario) -> Dataset:
    """Read or generate the data set of a scenario.

    Raises `UsageError` if its file cannot be used, or if a number becomes infinite in the precision of the run.
    """
    data, precision = scenario.data, scenario.backend.precision_name
    # Generated samples: as many as one inference run takes, or as there are to learn from.
    samples = data.batch if scenario.learning is None else data.samples
    if data.name == "gaussian-line" and samples is not None:
        key = "data.batch" if scenario.learning is None else "data.samples"
        require_memory(scenario, key, 2 * samples, f"{samples:,} samples", 2)
    with named(scenario, "data.file" if data.file is not None else "data.name"):
        found = load_dataset(
            data.name,
            file=data.file,
            seed=_data_seed(scenario),
            samples=samples,
            slope=data.slope,
            noise=data.noise,
            channels=data.channels,
        )
        for name, values in found.parts.items():
            require_range(values, precision, f"{found.source}: {name}")
    return with_scaling(scenario, found)


def _data_seed(scenario: Scenario) -> int:
    return scenario.seed if scenario.data.seed is None else scenario.data.seed


def load_inputs(scenario: Scenario, network: Network, dataset: Dataset) -> Inputs:
    """Load or draw the parameters and take the batch from the data.

    Raises `UsageError` if a file cannot be used, or if the data do not fit the network.
    """
    parameters = initial_parameters(scenario, network)
    data = scenario.data
    fitting = with_labels_checked(scenario, network, dataset)
    part = _part(scenario, fitting)
    with named(scenario, "data.batch"):
        samples, labels = first_batch(part, data.batch, _data_seed(scenario) if data.shuffle else None)
    given, y = fitted(scenario, network, samples, labels)
    x = whole(given)
    units = sum(prod(shape) for shape in network.layer_shapes)
    require_memory(scenario, "data.batch", len(x) * units, f"the states of {len(x):,} samples", units)
    start = np.zeros_like(x)
    if scenario.inference.start == "normal":
        # One row of draws a sample: a sample starts the same whatever batch it is in.
        start = np.random.default_rng([scenario.seed, 5]).standard_normal(x.shape)
    if scenario.inference.input == "free":
        x = start
    hidden = _hidden(scenario, dataset, samples)
    if hidden is not None and scenario.inference.input == "masked":
        x = np.where(hidden.mask.reshape(x.shape[1:]), start, x)
    if hidden is not None and scenario.inference.output == "masked":
        y = np.where(hidden.mask, 0.0, y)
    digests = {"data_sha256": data_sha256(scenario, dataset)}
    if scenario.network.weights is not None:
        digests["weights_sha256"] = parameters_sha256(parameters)
    return Inputs(parameters, x, y, dataset.source, hidden, digests)


def _part(scenario: Scenario, dataset: Dataset) -> Dataset:
    """Return the part of the data that inference takes its samples from."""
    if scenario.data.split == "train":
        return dataset
    if dataset.inputs_test is None or dataset.y_test is None:
        raise UsageError(
            f"{scenario.where('data.split')}: the data set '{dataset.name}' has no samples to test on; use "
            'split = "train"'
        )
    return replace(dataset, inputs=dataset.inputs_test, y=dataset.y_test, inputs_test=None, y_test=None)


def _hidden(scenario: Scenario, dataset: Dataset, samples: NDArray[np.float64]) -> Hidden | None:
    mask = build_mask(scenario, dataset, _data_seed(scenario))
    if mask is None:
        return None
    mean = dataset.rows(slice(scenario.data.samples)).mean(axis=0).ravel()
    return Hidden(mask, samples.reshape(len(samples), -1), mean)


def initial_parameters(scenario: Scenario, network: Network) -> tuple[dict[str, NDArray[np.float64]], ...]:
    """Load or draw the parameters by layer.

    Raises `UsageError` if their file cannot be used, or if a number becomes infinite in the precision of the run.
    """
    file, precision = scenario.network.weights, scenario.backend.precision_name
    if file is not None:
        with named(scenario, "network.weights"):
            found = read_parameters(file, network, scenario.network.layout)
            require_parameter_range(found, precision, str(file))
        return found
    count = sum(prod(shape) for _, _, shape in network.parameter_names)
    require_memory(scenario, sizes_key(scenario), count, f"{count:,} parameters")
    each = build_initialisers(scenario, len(network.layers))
    alone = replace(network, amortiser=None)
    if count > MOST_KEPT:
        found = alone.draw_parameters(each, scenario.seed)
    else:
        found = tuple(dict(layer) for layer in _drawn(alone, each, scenario.seed))
    found = with_drawn_amortiser(scenario, network, _with_precisions(scenario, network, found))
    with named(scenario, "network.init"):
        require_parameter_range(found, precision, f'init = "{scenario.network.init}"')
    return found


def _with_precisions(
    scenario: Scenario, network: Network, drawn: tuple[dict[str, NDArray[np.float64]], ...]
) -> tuple[dict[str, NDArray[np.float64]], ...]:
    """Return parameters with precisions that are learned where the scenario has them start."""
    if not network.learns_precisions:
        return drawn
    starts = precisions_of(scenario, network)
    return tuple({**own, PRECISION: np.array([starts[i]])} if PRECISION in own else own for i, own in enumerate(drawn))


def require_parameter_range(
    parameters: Sequence[Mapping[str, NDArray[np.float64]]], precision: str, where: str
) -> None:
    """Raise `UsageError` for parameters by layer of which a number becomes infinite in a precision."""
    for i, layer in enumerate(parameters):
        for name, values in layer.items():
            require_range(values, precision, f"{where}: {name}{i}", "row")


@lru_cache(maxsize=1)
def _drawn(network: Network, each: tuple[Initialiser, ...], seed: int) -> tuple[dict[str, NDArray[np.float64]], ...]:
    drawn = network.draw_parameters(each, seed)
    for array in (array for layer in drawn for array in layer.values()):
        array.setflags(write=False)  # other runs start from it too
    return drawn


def load_samples(scenario: Scenario, network: Network, dataset: Dataset) -> DataParts:
    """Return the samples to learn from, to validate and to test on.

    Raises `UsageError` if they do not fit the network, if there are fewer than asked for, or if nothing is left to
    learn from.
    """
    dataset = with_labels_checked(scenario, network, dataset)
    count = len(dataset) if scenario.data.samples is None else scenario.data.samples
    if count > len(dataset):
        raise UsageError(
            f"{scenario.where('data.samples')}: {count} samples asked for, but the data set '{dataset.name}' has "
            f"{len(dataset)} to learn from; use {len(dataset)} or fewer"
        )
    train = _split(scenario, network, dataset, dataset.inputs[:count], dataset.y[:count])
    test = None
    if dataset.inputs_test is not None and dataset.y_test is not None:
        test = _split(scenario, network, dataset, dataset.inputs_test, dataset.y_test)
    with named(scenario, "data.validation"):
        train, validation = hold_out(train, scenario.data.validation, scenario.split_seed)
    return DataParts(train, validation, test)


def _split(scenario: Scenario, network: Network, dataset: Dataset, inputs: NDArray[Any], y: NDArray[Any]) -> Split:
    """Return samples of a data set fitted to the network: inputs that are bytes stay so."""
    x = pixels(inputs, dataset.levels) if inputs.dtype == np.uint8 else dataset.scaling(inputs)
    return Split(*fitted(scenario, network, x, y))
