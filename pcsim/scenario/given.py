"""A scenario in any form in which a call may give it: read, named, as a path, as tables, or as TOML text."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from pcsim.errors import ScenarioError, UsageError
from pcsim.extensions import origin_of
from pcsim.model.network import Network
from pcsim.scenario.model import Scenario
from pcsim.scenario.overrides import Override, parse_overrides
from pcsim.scenario.read import assemble
from pcsim.scenario.sources import Source, extend_chain, find, make_source, read_chain
from pcsim.scenario.write import scenario_text

Given: TypeAlias = Scenario | str | Path | Mapping[str, Any]
"""A scenario, the name of one that ships, the path of a file, tables of keys, or TOML text (of several lines)."""
GivenNetwork: TypeAlias = Network | Callable[[], Network]
"""A network, or a function that returns it, which a trace can name."""


def scenario_of(given: Given, overrides: str | Sequence[str] = (), network: GivenNetwork | None = None) -> Scenario:
    """Return the scenario that a call means; `overrides` are texts like "inference.step_size=0.05", one or several.

    A `network` replaces what the scenario says of its layers. Raises `ScenarioError` with one line for each mistake.
    """
    if isinstance(given, Scenario) and not overrides and network is None:
        return given
    if network is None:
        return assemble(_chain(given), parse_overrides(overrides), [])
    taken = network_of(network)
    built = Override(("network", "built"), _builder(network), "network=")
    return assemble(_chain(given), parse_overrides(overrides), [built]).with_network(taken)


def network_of(given: GivenNetwork) -> Network:
    """Return a network, one that a function returns too; `UsageError` for anything else."""
    found: Any = given if isinstance(given, Network) or not callable(given) else built_by(given, "network=")
    if not isinstance(found, Network):
        raise UsageError(f"network= takes a pcsim.Network, or a function that returns it, not {type(found).__name__}")
    return found


def built_by(function: Callable[..., Any], where: str) -> Any:
    """Return the network that a function builds; `UsageError`, which begins with `where`, where it cannot."""
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise UsageError(f"{where}: the function is called without arguments, but is {error}") from None
    try:
        return function()
    except (ValueError, TypeError, AttributeError) as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"{where}: the function that builds the network ends in {what}") from error


def _builder(network: GivenNetwork) -> str:
    """Return how a trace names what builds a network: a function of a module, or Python itself."""
    if isinstance(network, Network):
        return "python"
    origin = origin_of(network)
    return "python" if "<" in origin.qualname else f"{origin.module}:{origin.qualname}"


def _chain(given: Given) -> list[Source]:
    match given:
        case Scenario():
            return [make_source(scenario_text(given, listed=False), "the scenario", Path())]
        case "":
            raise UsageError("the scenario is an empty text; give a name, a path, tables (a dict) or TOML text")
        case str() if "\n" in given:
            return extend_chain(make_source(given, "the text", Path()), [])
        case str() | Path():
            return read_chain(find(given))
        case Mapping():
            values: dict[str, Any] = _plain(given)
            if not values:
                raise ScenarioError(["the tables are empty; they need at least network, data and inference"])
            return extend_chain(Source("given", Path(), values), [])
        case _:
            kind = type(given).__name__
            raise UsageError(f"a scenario is a name, a path, tables (a dict), TOML text or a Scenario, not {kind}")


def _plain(value: Any) -> Any:
    """Return tables, lists and numbers as TOML's reader makes them, without keys that are None."""
    match value:
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items() if each is not None}
        case np.ndarray() | np.generic():
            return value.tolist()
        case list() | tuple():
            return [_plain(each) for each in value]
        case Path():
            return str(value)
        case _:
            return value
