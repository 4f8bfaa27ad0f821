"""Layers and networks of a user's own: registered parts, and functions that a scenario names by their module."""

import inspect
from collections.abc import Mapping
from typing import Any

from pcsim.assemble.own_parts import require_part, require_parts
from pcsim.assemble.roles import named
from pcsim.engine.backend import BorrowingBackend, Capabilities, FunctionBackend
from pcsim.engine.registry import load_backend, others_that
from pcsim.errors import UsageError
from pcsim.extensions import find, lender, named_thing
from pcsim.learning import Optimizer
from pcsim.model.layers import Part, Shape
from pcsim.model.network import Network
from pcsim.scenario import Scenario, built_by
from pcsim.scenario.layers import LayerTable


def registered_part(entry: LayerTable, shape: Shape) -> Part:
    """Return a registered part for samples of a shape; raises `ValueError` for options that it does not take."""
    make, options = find("part", entry.part or ""), entry.options or {}
    try:
        inspect.signature(make).bind(shape, **options)
    except TypeError as error:
        takes = ", ".join(list(inspect.signature(make).parameters)[1:]) or "none"
        raise ValueError(f"is part '{entry.part}', and {error}: its options are {takes}") from None
    part: Part = make(shape, **options)
    require_part(part, shape)
    return part


def function_part(scenario: Scenario, place: int, entry: LayerTable, shape: Shape) -> Part:
    """Return the function that an entry of a list of layers names, for samples of a shape.

    Raises `UsageError` where no backend takes functions, and for code that may not be imported or is not there.
    """
    where, here = scenario.where(f"network.layers[{place}].function"), scenario.backend.name
    # Theory asks for the network elsewhere than where it runs.
    found = (load_backend(name) for name in (here, *others_that(here, takes_functions)))
    backend = next((each for each in found if isinstance(each, FunctionBackend)), None)
    if backend is None:
        raise UsageError(f"{where}: no backend that is installed here takes functions as layers; jax does")
    function = _named(scenario, where, entry.function or "")
    if not callable(function):
        raise UsageError(f"{where}: {entry.function} is no function")
    return backend.function_part(function, shape, entry.parameters or {})


def lent_optimizer(scenario: Scenario, word: str, options: Mapping[str, Any]) -> Optimizer:
    """Return an optimiser of another package by its name, made with some options.

    Raises `UsageError` where no backend takes such, and as backends do.
    """
    here, package = scenario.backend.name, lender("optimizer", word)
    # What a trace is learned from need not run where the trace was made.
    found = (load_backend(name) for name in (here, *others_that(here, lambda able: package in able.lenders)))
    backend = next((each for each in found if isinstance(each, BorrowingBackend)), None)
    with named(scenario, "learning.optimizer"):
        if backend is None:
            raise UsageError(f"no backend that is installed here takes optimizers of {package}; jax does")
        return backend.optimizer(word, options)


def takes_functions(able: Capabilities) -> bool:
    """Tell whether a backend takes functions as layers."""
    return "function" in able.own


def built_network(scenario: Scenario) -> Network:
    """Return the network that `network.built` stands for: the one that is given, or what a function returns.

    Raises `UsageError` where there is none, and for one that does not fit together.
    """
    where, built = scenario.where("network.built"), scenario.network.built or ""
    network = scenario.reading.network
    if network is None and built.partition(":")[0] in ("python", "__main__"):
        raise UsageError(f"{where}: the network was built in Python, by a script; give it in the call, as network=…")
    if network is None:
        network = built_by(_named(scenario, where, built), f"{where}: {built}")
    return _fitting(where, network)


def _named(scenario: Scenario, where: str, name: str) -> Any:
    """Return what a name means, of a module that may be imported."""
    module, allowed = name.partition(":")[0], scenario.reading.allowed
    if allowed is not None and module not in allowed:
        raise UsageError(
            f"{where}: {name} is code, and a file does not choose what runs here; allow it: --allow {module}"
        )
    try:
        return named_thing(name)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error


def _fitting(where: str, network: Any) -> Network:
    if not isinstance(network, Network):
        raise UsageError(f"{where}: the function returns {type(network).__name__}, and no pcsim.Network")
    if not network.layers:
        raise UsageError(f"{where}: the network has no layers; give it one or more")
    try:
        hash(network)
    except TypeError as error:
        raise UsageError(f"{where}: {error}; a network is made of tuples and frozen parts") from error
    try:
        require_parts(network)
        last = network.layer_shapes[-1]
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error
    if len(last) != 1:
        raise UsageError(f"{where}: the output has shape {last}; it has one axis, as that of a Dense part")
    return network
