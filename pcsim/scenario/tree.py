"""A tree of values that remembers where each came from, built by laying newer values over older ones."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pcsim.scenario.locate import KeyPath, Located, Position

MOST_LINES = 20
DEEPEST = 50
"""Levels of tables and lists; Python's own limit comes much later."""


@dataclass(frozen=True)
class Place:
    """Where a key was written: in a file, or by an override (then without a position)."""

    layer: int
    source: str
    located: Located | None = None
    rank: int = 0

    def key_label(self) -> str:
        """Return `file:line:column` of the key, or the override as it was typed."""
        return self._label(self.located.key if self.located else None)

    def value_label(self) -> str:
        """Return `file:line:column` of the value, or the override as it was typed."""
        return self._label(self.located.value if self.located else None)

    def setter_label(self) -> str:
        """Return how a note names what set a key: by its position, or by the option."""
        return self.key_label() if self.located else self.source.split(" ")[0]

    def _label(self, position: Position | None) -> str:
        return f"{self.source}:{position.line}:{position.column}" if position else self.source

    @property
    def order(self) -> tuple[int, int, int, int]:
        """Sorting by this puts base files before their children, files before overrides."""
        position = self.located.key if self.located else Position(0, 0)
        return (self.layer, self.rank, position.line, position.column)


@dataclass(frozen=True)
class Problem:
    """One mistake: where it stands, the line that tells of it, and the key that a misspelt one stands for."""

    place: Place
    line: str
    meant: KeyPath | None = None


def sorted_lines(problems: list[Problem]) -> list[str]:
    """Return the lines of the first problems by position, each once, and how many more there are."""
    lines = list(dict.fromkeys(each.line for each in sorted(problems, key=lambda each: each.place.order)))
    if len(lines) <= MOST_LINES:
        return lines
    return [*lines[: MOST_LINES - 1], f"… and {len(lines) - MOST_LINES + 1:,} more mistakes; mend these first"]


def too_deep(values: dict[str, Any]) -> KeyPath | None:
    """Return the key of a value that is nested deeper than anything in a scenario, if there is one."""
    waiting: list[tuple[KeyPath, Any]] = [((), values)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > DEEPEST:
            return path
        if isinstance(value, dict):
            waiting += [((*path, key), item) for key, item in value.items()]
        elif isinstance(value, list):
            waiting += [((*path, index), item) for index, item in enumerate(value)]
    return None


class Tree:
    """Nested values, and for each key path the place it was written at.

    `relative` are the keys of files that were named from the folder of the file they stand in.
    """

    def __init__(self, top: Place) -> None:
        self.values: dict[str, Any] = {}
        self.places: dict[KeyPath, Place] = {(): top}
        self.relative: set[KeyPath] = set()

    def overlay(self, values: dict[str, Any], place_of: Callable[[KeyPath], Place]) -> None:
        """Lay newer values over these: tables are merged, everything else is replaced."""
        self._overlay(self.values, values, (), place_of)

    def _overlay(
        self, old: dict[str, Any], new: dict[str, Any], prefix: KeyPath, place_of: Callable[[KeyPath], Place]
    ) -> None:
        for key, value in new.items():
            path = (*prefix, key)
            place = place_of(path)
            if isinstance(value, dict):
                if not isinstance(old.get(key), dict):
                    self._forget(path)
                    old[key] = {}
                # a missing key is best reported at the table in the file, not at an override within it
                if path not in self.places or place.located:
                    self.places[path] = place
                self._overlay(old[key], value, path, place_of)
            else:
                self._forget(path)
                old[key] = value
                self._place_items(value, path, place_of)

    def _place_items(self, value: Any, path: KeyPath, place_of: Callable[[KeyPath], Place]) -> None:
        self.places[path] = place_of(path)
        for index, item in enumerate(value if isinstance(value, list) else ()):
            self._place_items(item, (*path, index), place_of)
        for key, item in value.items() if isinstance(value, dict) else ():
            self._place_items(item, (*path, key), place_of)

    def _forget(self, path: KeyPath) -> None:
        if path not in self.places:
            return
        for known in [known for known in self.places if known[: len(path)] == path]:
            del self.places[known]

    def table(self, *path: str) -> dict[str, Any]:
        """Return the table at a path, or an empty one where there is none."""
        found = self.get(path)
        return found if isinstance(found, dict) else {}

    def get(self, path: KeyPath) -> Any:
        """Return the value at a path, or None where there is none."""
        value: Any = self.values
        for part in path:
            if isinstance(value, dict):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def remove(self, path: KeyPath) -> None:
        """Remove a key, if it is there; its place stays known for messages about it."""
        holder = self.get(path[:-1])
        if isinstance(holder, dict):
            holder.pop(path[-1], None)

    def drop_older(self, path: KeyPath, cause: Place, reason: str) -> list[str]:
        """Remove a key that is older than what makes it useless, and return the note on it."""
        if self.get(path) is None or self.place(path).layer >= cause.layer:
            return []
        self.remove(path)
        return [f"dropped {'.'.join(map(str, path))}: {reason} (set by {cause.setter_label()})"]

    def place(self, path: KeyPath) -> Place:
        """Return where a key was written, or where what holds it was."""
        while path not in self.places:
            path = path[:-1]
        return self.places[path]

    def newest(self, path: KeyPath) -> Place:
        """Return the place of a key, for a table that of its newest entry."""
        below = [place for known, place in self.places.items() if known[: len(path)] == path and known != path]
        value = self.get(path)
        if isinstance(value, dict) and below:
            return max(below, key=lambda place: place.order)
        return self.place(path)
