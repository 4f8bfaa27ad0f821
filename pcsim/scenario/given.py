"""A scenario in any form in which a call may give it: read, named, as a path, as tables, or as TOML text."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from pcsim.errors import ScenarioError, UsageError
from pcsim.scenario.model import Scenario
from pcsim.scenario.overrides import parse_overrides
from pcsim.scenario.read import assemble, parse_scenario, read_scenario
from pcsim.scenario.sources import Source, extend_chain

Given: TypeAlias = Scenario | str | Path | Mapping[str, Any]
"""A scenario, the name of one that ships, the path of a file, tables of keys, or TOML text (of several lines)."""


def scenario_of(given: Given, overrides: str | Sequence[str] = ()) -> Scenario:
    """Return the scenario that a call means; `overrides` are texts like "inference.step_size=0.05", one or several.

    Raises `ScenarioError` with one line for each mistake.
    """
    match given:
        case Scenario():
            if overrides:
                raise UsageError("a scenario that has been read takes no overrides: give them to pcsim.read_scenario")
            return given
        case str() if "\n" in given:
            return parse_scenario(given, overrides=overrides, name="the text")
        case str() | Path():
            return read_scenario(given, overrides)
        case _:
            values: dict[str, Any] = _plain(given)
            if not values:
                raise ScenarioError(["the tables are empty; they need at least network, data and inference"])
            return assemble(extend_chain(Source("given", Path(), values), []), parse_overrides(overrides), [])


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
