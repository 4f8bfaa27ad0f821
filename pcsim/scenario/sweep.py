"""The `[sweep]` table: lists of values, and the runs that they make of one scenario."""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from pcsim.scenario.overrides import Override
from pcsim.scenario.tree import Tree

EXAMPLE = "keys with a list of values each, as in inference.step_size = [0.1, 0.2]"
SWEPT = ("seed", "network", "data", "inference", "learning", "trace", "backend")
"""What a sweep may change: everything but what the runs have in common."""


def _flattened(given: Any) -> Any:
    """Return dotted keys with their lists; a table without lists at its ends is left to be refused."""
    if not isinstance(given, Mapping):
        return given
    found = dict(_leaves(given, ""))
    if not found or not all(isinstance(values, Sequence) and values for values in found.values()):
        raise ValueError
    return {key: tuple(values) for key, values in found.items()}


def _leaves(table: Mapping[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for key, value in table.items():
        path = f"{prefix}{key}"
        found += _leaves(value, f"{path}.") if isinstance(value, Mapping) else [(path, _no_text(value))]
    return found


def _no_text(value: Any) -> Any:
    # a text is a sequence to Python, not to a user
    return None if isinstance(value, str) else value


Sweep = Annotated[
    dict[str, tuple[Any, ...]],
    BeforeValidator(_flattened),
    WithJsonSchema({"type": "object"}),
]


def combinations(sweep: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the values of every run by key: all combinations, the last key's values changing first."""
    return [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]


def settle_sweep(tree: Tree, given: Sequence[Override]) -> list[str]:
    """Let what a user gave on the command line hold in every run; return a note for each list that goes with it."""
    notes: list[str] = []
    for override in given:
        notes += _settle(tree, tree.table("sweep"), (), override)
    if "sweep" in tree.values and not tree.table("sweep"):
        tree.remove(("sweep",))
    return notes


def _settle(tree: Tree, table: dict[str, Any], path: tuple[str, ...], override: Override) -> list[str]:
    notes: list[str] = []
    for key, value in list(table.items()):
        here = (*path, *key.split("."))
        shared = min(len(here), len(override.path))
        if here[:shared] != override.path[:shared]:
            continue
        if isinstance(value, dict) and len(here) < len(override.path):
            notes += _settle(tree, value, here, override)
            if not value:
                del table[key]
        elif len(override.path) <= len(here):
            del table[key]
            notes.append(f"dropped sweep.{'.'.join(here)}: every run has the value given (set by {override.typed})")
        elif isinstance(value, list):
            table[key] = [_without(item, override.path[len(here) :]) for item in value]
    return notes


def _without(value: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(value, dict) or path[0] not in value:
        return value
    rest = {key: item for key, item in value.items() if key != path[0]}
    return rest if len(path) == 1 else rest | {path[0]: _without(value[path[0]], path[1:])}
