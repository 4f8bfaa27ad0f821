"""What of the data is input and what target: samples and labels fitted to the two ends of a network."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from pcsim.datasets import INPUT, OUTPUT, Dataset, End, check_labels, targets
from pcsim.errors import UsageError
from pcsim.learning.pixels import Samples, whole
from pcsim.model.network import Network
from pcsim.scenario import Scenario
from pcsim.typing import NDArray


def fitted(scenario: Scenario, network: Network, x: Samples, y: NDArray[Any]) -> tuple[Samples, NDArray[np.float64]]:
    """Return inputs (samples, *input_shape) and targets (samples, n_out); zeros where that end of the network is free.

    Inputs that are bytes stay so. Raises `UsageError` for samples or labels that do not fit the end that they are
    clamped to.
    """
    inputs = _inputs(scenario, network, x, y)
    return inputs.reshape(len(inputs), *network.input_shape), _targets(scenario, network, x, y)


def with_labels_checked(scenario: Scenario, network: Network, dataset: Dataset) -> Dataset:
    """Return the data set, two labels that one unit tells apart as its values: 0 and 1, or −1 and 1.

    To a binary cross-entropy −1 is 0. Raises `UsageError` if labels of the whole data set, of which a run may see a few
    only, do not fit their end.
    """
    ends = {"supervised": OUTPUT, "generative": INPUT}
    end = ends.get(scenario.data.task)
    if end is None or not _is_clamped(scenario, end):
        return dataset
    units = network.layer_shapes[-1][0] if end is OUTPUT else prod(network.input_shape)
    if units == 1 and dataset.two_labels is not None:
        low = 0.0 if end is OUTPUT and scenario.inference.loss == "binary-cross-entropy" else dataset.two_labels[0]
        y, tests = (None if y is None else np.where(y > 0, 1.0, low) for y in (dataset.y, dataset.y_test))
        return dataset if y is None else replace(dataset, y=y, y_test=tests)
    with named(scenario, sizes_key(scenario)):
        for y in (dataset.y, dataset.y_test):
            if y is not None:
                check_labels(y, units, f"data '{scenario.data.name}'", end)
    return dataset


def _inputs(scenario: Scenario, network: Network, x: Samples, y: NDArray[Any]) -> Samples:
    units = prod(network.input_shape)
    if not _is_clamped(scenario, INPUT):
        return np.zeros((len(x), units))
    if scenario.data.task == "generative":
        return _rows_of_labels(scenario, y, units, INPUT)
    if len(network.input_shape) > 1:
        _check_images(scenario, network, x)
    return _rows_of_samples(scenario, x, units, INPUT)


def _targets(scenario: Scenario, network: Network, x: Samples, y: NDArray[Any]) -> NDArray[np.float64]:
    units = network.layer_shapes[-1][0]
    if not _is_clamped(scenario, OUTPUT):
        return np.zeros((len(x), units))
    if scenario.data.task == "supervised":
        found = _rows_of_labels(scenario, y, units, OUTPUT)
    else:
        found = whole(_rows_of_samples(scenario, x, units, OUTPUT))
    _check_targets(scenario, found)
    return found


def _is_clamped(scenario: Scenario, end: End) -> bool:
    return getattr(scenario.inference, end.name) != "free"


def _rows_of_labels(scenario: Scenario, y: NDArray[Any], units: int, end: End) -> NDArray[np.float64]:
    with named(scenario, sizes_key(scenario)):
        return targets(y, units, f"data '{scenario.data.name}'", end)


def _rows_of_samples(scenario: Scenario, x: Samples, units: int, end: End) -> Samples:
    size = prod(x.shape[1:])
    if size != units:
        if scenario.network.built is not None:
            raise UsageError(
                f"{scenario.where('network.built')}: the network's {end.name} has {units} units, but a sample of the "
                f"data '{scenario.data.name}' has {size} values (shape {x.shape[1:]}); build it for {size}"
            )
        if scenario.network.layers is not None and end is INPUT:
            raise UsageError(
                f"{scenario.where('network.input')}: the input has {units} units, but a sample of the data "
                f"'{scenario.data.name}' has {size} values (shape {x.shape[1:]}); set input = {size}"
            )
        role = "" if end is INPUT else f', the target of task = "{scenario.data.task}",'
        raise UsageError(
            f"{scenario.where('network.widths')}: the {end.place} width is {units}, but a sample of the data "
            f"'{scenario.data.name}'{role} has {size} values (shape {x.shape[1:]}); set the {end.place} width to {size}"
        )
    return x.reshape(len(x), units)


def _check_images(scenario: Scenario, network: Network, x: Samples) -> None:
    """Raise `UsageError` unless samples are images of the network's input; those of one channel may leave it out."""
    given, needed = x.shape[1:], network.input_shape
    if needed not in (given, (*given, 1)):
        shape = given if len(given) == 3 else (*given, 1) if len(given) == 2 else None
        fix = f"set input = {list(shape)}" if shape else f"give samples of shape {needed}, or input = {prod(given)}"
        if scenario.data.name == "npz" and given == (needed[2], *needed[:2]):
            fix = 'write channels = "first" in [data], as they are there'
        raise UsageError(
            f"{scenario.where('network.input')}: the input has shape {needed}, but a sample of the data "
            f"'{scenario.data.name}' has shape {given}; {fix}"
        )


def _check_targets(scenario: Scenario, y: NDArray[np.float64]) -> None:
    """Raise `UsageError` for targets on which the loss is not bounded below."""
    loss = scenario.inference.loss
    beyond = {"cross-entropy": y < 0, "binary-cross-entropy": (y < 0) | (y > 1)}.get(loss)
    if beyond is not None and beyond.any():
        sample, unit = map(int, np.argwhere(beyond)[0])
        allowed = "targets of 0 or more" if loss == "cross-entropy" else "targets from 0 to 1"
        task = scenario.data.task
        # Pixels are inputs to whoever reads the data: that they are targets here is worth a word.
        whose, other = ("", " or other targets")
        if task != "supervised":
            whose, other = f' (task = "{task}" makes the samples the targets)', ""
        raise UsageError(
            f"{scenario.where('inference.loss')}: {loss} takes {allowed}, but the target of sample {sample}, "
            f'unit {unit} is {y[sample, unit]:g}{whose}; use loss = "squared-error"{other}'
        )


def sizes_key(scenario: Scenario) -> str:
    """Return the key that gives the sizes of a scenario's layers."""
    network = scenario.network
    return "network.built" if network.built else "network.widths" if network.layers is None else "network.layers"


@contextmanager
def named(scenario: Scenario, key: str) -> Generator[None]:
    """Put the place of a scenario's key in front of errors raised inside."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{scenario.where(key)}: {error}") from error
