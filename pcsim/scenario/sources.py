"""From what a user names to the files it means, through `extends` down to the base."""

import difflib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcsim.errors import ScenarioError
from pcsim.resources import expanded, scenario_dir
from pcsim.scenario.characters import other_kind
from pcsim.scenario.locate import KeyPath, Located, Position, Scan
from pcsim.scenario.syntax import parse_toml
from pcsim.scenario.toml_text import quoted

_LONGEST = 50
"""Files in a chain of `extends`."""
STANDARD_INPUT = "-"
LARGEST = 2**24
"""Bytes of a pipe: what sends more is no scenario."""


@dataclass(frozen=True)
class Source:
    """Tables: their name in messages, the folder that paths start from, values, and where these stand in their text.

    Tables that were given as such have no text.
    """

    name: str
    folder: Path
    values: dict[str, Any]
    scan: Scan | None = None

    def locate(self, path: KeyPath) -> Located:
        """Return where a key stands, or what holds it."""
        found = {} if self.scan is None else self.scan.found
        while path and path not in found:
            path = path[:-1]
        return found.get(path, Located(Position(1, 1), Position(1, 1)))


def shipped() -> dict[str, Path]:
    """Return the scenarios that ship, by name."""
    return {path.stem: path for path in sorted(scenario_dir().glob("*.toml"))}


def find(source: str | Path) -> Path:
    """Return the file that a path, or the name of a shipped scenario, means.

    Raises ScenarioError where there is no such file, with what may have been meant.
    """
    if isinstance(source, str) and Path(source).name == source and source in shipped():
        return shipped()[source]
    path = expanded(source)
    if path.is_file() or path.is_fifo() or source == STANDARD_INPUT:
        return path
    if path.is_dir():
        raise ScenarioError([f"{source or '.'}: this is a folder; name a scenario file in it"])
    if path.exists():
        raise ScenarioError([f"{source}: this is a device, not a scenario; name a file or a pipe"])
    raise ScenarioError([f"{source}: there is no such file{_near(path, path.name)}"])


def read_chain(path: Path) -> list[Source]:
    """Return a file and all that it extends, the base first.

    Raises ScenarioError where a file is missing or unreadable, or where they extend each other in a circle.
    """
    return extend_chain(read_source(path), [path])


def extend_chain(source: Source, files: list[Path]) -> list[Source]:
    """Return a source and all that it extends, the base first; `files` are those on the way to it."""
    chain = [source]
    while "extends" in chain[0].values:
        child = chain[0]
        base = _base(child)
        if any(os.path.realpath(base) == os.path.realpath(file) for file in files):
            names = " -> ".join(str(file) for file in [*files, base])
            raise ScenarioError(
                [f"{_at_extends(child)}: extends goes in a circle: {names}; remove one of these extends"]
            )
        files = [*files, base]
        if len(files) > _LONGEST:
            raise ScenarioError(
                [f"{_at_extends(child)}: more than {_LONGEST} files extend one another; put them together"]
            )
        chain.insert(0, read_source(base))
    return chain


def read_source(path: Path) -> Source:
    """Return a file's values and positions. Raises ScenarioError where it cannot be read."""
    try:
        raw = path.read_bytes() if path.is_file() else _piped(path)
    except OSError as error:
        raise ScenarioError([f"{path}: the file cannot be read ({error.strerror})"]) from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if kind := other_kind(raw):
            raise ScenarioError([f"{path}: {kind}"]) from None
        line = raw.count(b"\n", 0, error.start) + 1
        raise ScenarioError([f"{path}:{line}: the text is not UTF-8; save the file as UTF-8"]) from None
    # Files that a pipe's text names lie where the user is, not where the system keeps its pipes.
    name = "standard input" if str(path) == STANDARD_INPUT else str(path)
    return make_source(text, name, path.parent if path.is_file() else Path())


def is_piped(source: str | Path) -> bool:
    """Return whether a scenario comes through a pipe, and so has no name of its own."""
    return source == STANDARD_INPUT or Path(source).is_fifo()


def _piped(path: Path) -> bytes:
    with sys.stdin.buffer if str(path) == STANDARD_INPUT else path.open("rb") as pipe:
        raw = pipe.read(LARGEST + 1)
    if len(raw) > LARGEST:
        raise ScenarioError([f"{path}: more than {LARGEST // 2**20} MB come through this pipe, which is no scenario"])
    return raw


def make_source(text: str, name: str, folder: Path) -> Source:
    """Return a text's values and positions. Raises ScenarioError where it is not TOML or holds nothing."""
    values, scan = parse_toml(text, name)
    if not values:
        advice = "it needs at least [network], [data] and [inference]"
        raise ScenarioError([f"{name}: the file is empty; {advice}, and `pcsim show signal-decay` prints an example"])
    return Source(name, folder, values, scan)


def _base(child: Source) -> Path:
    named = child.values["extends"]
    if not isinstance(named, str) or not named:
        advice = 'give the path of another scenario, as in extends = "base.toml"'
        raise ScenarioError([f"{_at_extends(child)}: extends: {quoted(named)} is not allowed; {advice}"])
    path = Path(os.path.normpath(child.folder / expanded(named)))
    if path.is_file():
        return path
    if named in shipped():
        return shipped()[named]
    what = "this is a folder, not a scenario" if path.is_dir() else f"there is no such file{_near(path, named)}"
    raise ScenarioError([f'{_at_extends(child)}: extends = "{named}": {what}'])


def _at_extends(child: Source) -> str:
    place = child.locate(("extends",)).key
    return f"{child.name}:{place.line}:{place.column}"


def _near(path: Path, word: str) -> str:
    """Return a suggestion for a missing file: one beside it, or a scenario that ships."""
    stem = word.removesuffix(".toml")
    try:
        beside = {file.stem: file for file in path.parent.glob("*.toml")}
    except OSError:
        beside = {}
    if close := difflib.get_close_matches(stem, beside, n=1):
        return f"; did you mean '{beside[close[0]]}'?"
    if close := difflib.get_close_matches(stem, shipped(), n=1):
        return f"; did you mean '{close[0]}', which ships with pcsim?"
    return "; 'pcsim scenarios' lists those that ship"
