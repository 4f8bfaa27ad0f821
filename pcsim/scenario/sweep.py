"""The `[sweep]` table: lists of values, and the runs that they make of one scenario."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

from pydantic import Field, WithJsonSchema

from pcsim.scenario.locate import KeyPath
from pcsim.scenario.overrides import Override
from pcsim.scenario.tree import Place, Tree

EXAMPLE = "keys with a list of values each, as in inference.step_size = [0.1, 0.2]"
SWEPT = ("seed", "network", "data", "inference", "learning", "amortiser", "trace", "backend")
"""What a sweep may change: everything but what the runs have in common."""
TOGETHER = "together"
"""The key of a sweep whose values are tables of keys from anywhere in the file, that change together."""

Sweep = Annotated[
    dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]],
    Field(min_length=1),
    WithJsonSchema({"type": "object"}),
]


def flattened(sweep: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return lists by dotted key, whether a file has tables in the table or quoted keys.

    Only so can a table and a key of it both be swept.
    """
    found: dict[str, Any] = {}
    for key, value in sweep.items():
        path = f"{prefix}{key}"
        found |= flattened(value, f"{path}.") if isinstance(value, Mapping) and value else {path: value}
    return found


def placed_flat(place_of: Callable[[KeyPath], Place]) -> Callable[[KeyPath], Place]:
    """Return the places of keys where those of a sweep or search are dotted: as they were written, quoted or not."""

    def place(path: KeyPath) -> Place:
        if path[:1] not in {("sweep",), ("search",)} or len(path) < 2:
            return place_of(path)
        table, quoted = place_of(path[:1]), place_of(path)
        return place_of((path[0], *str(path[1]).split("."), *path[2:])) if quoted == table else quoted

    return place


def combinations(sweep: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the values of every run by key: all combinations, the last key's values changing first."""
    return [dict(zip(sweep, values, strict=True)) for values in product(*sweep.values())]


def spread_out(values: Mapping[str, Any]) -> dict[str, tuple[str, Any]]:
    """Return the values of a run by the key of the scenario that each is for, with the key of the sweep it is from."""
    found: dict[str, tuple[str, Any]] = {}
    for key, value in values.items():
        own = flattened(value) if key == TOGETHER and isinstance(value, Mapping) else {key: value}
        found |= {each: (key, item) for each, item in own.items()}
    return found


def settle_sweep(tree: Tree, given: Sequence[Override]) -> list[str]:
    """Let what a user gave on the command line hold in every run; return a note for each list that goes with it."""
    notes: list[str] = []
    for name in ("sweep", "search"):
        notes += _settle(tree, name, given)
    return notes


def _settle(tree: Tree, name: str, given: Sequence[Override]) -> list[str]:
    notes: list[str] = []
    sweep = tree.table(name)
    for override in given:
        for key, values in list(sweep.items()):
            path = () if key == TOGETHER else tuple(key.split("."))
            shared = min(len(path), len(override.path))
            if path[:shared] != override.path[:shared]:
                continue
            if len(override.path) <= len(path):
                tree.remove((name, key))
                notes.append(f"dropped {name}.{key}: every run has the value given (set by {override.typed})")
            elif isinstance(values, list):
                sweep[key] = [_without(value, override.path[len(path) :]) for value in values]
    if name in tree.values and not sweep and notes:
        tree.remove((name,))
    return notes


def _without(value: Any, path: tuple[str, ...]) -> Any:
    if not isinstance(value, dict) or path[0] not in value:
        return value
    rest = {key: item for key, item in value.items() if key != path[0]}
    return rest if len(path) == 1 else rest | {path[0]: _without(value[path[0]], path[1:])}
