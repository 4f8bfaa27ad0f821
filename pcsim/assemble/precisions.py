"""From a scenario's words to the precisions of hidden layers: numbers, or matrices."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pcsim.engine.backend import Capabilities
from pcsim.engine.registry import others_that
from pcsim.errors import UsageError
from pcsim.model.network import Network
from pcsim.model.precisions import Precision, PrecisionMatrix
from pcsim.scenario import Scenario
from pcsim.scenario.precisions import have_matrices

WIDE = ("float32", "float64")


def precisions_of(scenario: Scenario, network: Network) -> tuple[Precision, ...]:
    """Return the precision of every hidden layer, where it starts if it is learned.

    Raises `UsageError` for a matrix that is none of its layer's errors.
    """
    found = list[Precision]()
    for i, given in enumerate(per_layer(scenario, "precisions", len(network.layers) - 1)):
        if not isinstance(given, Sequence):
            found.append(given)
            continue
        where = f"{scenario.where('network.precisions')}: hidden layer {i + 1}"
        units, *image = network.state_shapes[i]
        if image:
            raise UsageError(f"{where} is an image, and matrices weigh the errors of dense layers; give it a number")
        rows = {len(row) for row in given if isinstance(row, Sequence)} or {units}
        if len(given) != units or rows != {units}:
            raise UsageError(f"{where} has {units} units; give {units} numbers, or as many rows of as many numbers")
        try:
            found.append(PrecisionMatrix.of(np.array(given, dtype=np.float64)))
        except ValueError as error:
            raise UsageError(f"{where} has a precision matrix that is none: {error}; give another") from None
    return tuple(found)


def require_precision_rule(scenario: Scenario, able: Capabilities) -> None:
    """Raise `UsageError` for precisions that are to be learned by a backend that does not."""
    if scenario.learning is None or scenario.learning.precisions is None or able.learns_precisions:
        return
    name, where = scenario.backend.name, scenario.where("learning.precisions")
    others = " or ".join(others_that(name, lambda able: able.learns_precisions))
    raise UsageError(f"{where}: backend '{name}' learns no precisions; remove it, or use the backend {others}")


def require_precision_matrices(scenario: Scenario, able: Capabilities) -> None:
    """Raise `UsageError` for precision matrices where they cannot be."""
    if not have_matrices(scenario.network.precisions):
        return
    name, where, narrow = scenario.backend.name, scenario.where("network.precisions"), scenario.backend.precision_name
    if scenario.learning is not None and scenario.learning.precisions is not None:
        raise UsageError(f"{where}: matrices stay, and learning.precisions learns numbers; remove one of them")
    if not able.precision_matrices:
        others = " or ".join(others_that(name, lambda able: able.precision_matrices))
        raise UsageError(f"{where}: backend '{name}' has no precision matrices; use numbers, or the backend {others}")
    if narrow not in WIDE:
        raise UsageError(f"{where}: precision matrices are for {' and '.join(WIDE)}, not {narrow}; give one of them")


def per_layer(scenario: Scenario, key: str, layers: int) -> tuple[Any, ...]:
    """Return a word of `[network]` that has one value for all hidden layers or one for each, as one for each."""
    value: float | Sequence[Any] = getattr(scenario.network, key)
    if not isinstance(value, Sequence):
        return (value,) * layers
    if len(value) != layers:  # of a network that was built elsewhere
        raise UsageError(
            f"{scenario.where(f'network.{key}')}: {len(value)} values, but the network has {layers} hidden layers; "
            "give one for each, or a single number for all"
        )
    return tuple(value)
