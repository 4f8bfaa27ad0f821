"""Where each key of a TOML text stands: tomllib gives values without positions, this scanner the positions.

The scanner trusts that tomllib has accepted the text, with one exception: keys written twice, which tomllib
rejects and the scanner reports with both positions.
"""

import bisect
import re
import tomllib
from dataclasses import dataclass, field
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Keys from the top of the file down, with the index of an item in a list: `("network", "widths", 0)`."""

_BLANK = re.compile(r"[ \t]*")
_SKIP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)
# a date and its time may be separated by one space
_BARE = re.compile(r"[^,\[\]{}#\s]+(?: \d\d:[^,\[\]{}#\s]+)?")


@dataclass(frozen=True, order=True)
class Position:
    """Line and column, both counted from 1, columns in characters."""

    line: int
    column: int


@dataclass(frozen=True)
class Located:
    """Where a key and its value begin; for an item of a list or a table's header both are the same."""

    key: Position
    value: Position


@dataclass(frozen=True)
class Duplicate:
    """A key or table that is written a second time."""

    path: KeyPath
    first: Position
    second: Position


class ScanError(ValueError):
    """The text is not TOML after all; `position` is where the scanner stopped."""

    def __init__(self, problem: str, position: Position) -> None:
        super().__init__(f"{problem} at {position.line}:{position.column}")
        self.position = position


@dataclass
class Scan:
    """The positions found in a text."""

    found: dict[KeyPath, Located] = field(default_factory=dict[KeyPath, Located])
    duplicates: list[Duplicate] = field(default_factory=list[Duplicate])


def locate(text: str) -> Scan:
    """Return the position of every key, table and list item in a TOML text.

    Raises ScanError where the text is not TOML (not every mistake is noticed: tomllib is the judge).
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.scan


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.scan = Scan()
        self.written: set[KeyPath] = set()
        self.rows: dict[KeyPath, int] = {}

    def document(self) -> None:
        prefix: KeyPath = ()
        while True:
            self.skip(_SKIP)
            if self.at >= len(self.text):
                return
            if self.peek("["):
                prefix = self.header()
            else:
                self.pair(prefix)

    def header(self) -> KeyPath:
        start = self.position()
        is_row = self.peek("[[")
        self.expect("[[" if is_row else "[")
        self.skip(_BLANK)
        names = [name for name, _ in self.key()]
        self.expect("]]" if is_row else "]")
        path: KeyPath = ()
        for name in names[:-1]:
            path = self.newest_row((*path, name))
            self.scan.found.setdefault(path, Located(start, start))
        path = (*path, names[-1])
        if is_row:
            self.scan.found.setdefault(path, Located(start, start))
            self.rows[path] = self.rows.get(path, -1) + 1
            path = (*path, self.rows[path])
        self.write(path, Located(start, start))
        return path

    def newest_row(self, path: KeyPath) -> KeyPath:
        return (*path, self.rows[path]) if path in self.rows else path

    def pair(self, prefix: KeyPath) -> None:
        parts = self.key()
        self.expect("=")
        self.skip(_BLANK)
        value = self.position()
        path = prefix
        for name, place in parts[:-1]:
            path = (*path, name)
            self.scan.found.setdefault(path, Located(place, place))
        name, place = parts[-1]
        path = (*path, name)
        self.write(path, Located(place, value))
        self.value(path)

    def write(self, path: KeyPath, located: Located) -> None:
        if path in self.written:
            self.scan.duplicates.append(Duplicate(path, self.scan.found[path].key, located.key))
            return
        self.written.add(path)
        self.scan.found[path] = located

    def key(self) -> list[tuple[str, Position]]:
        parts: list[tuple[str, Position]] = []
        while True:
            place = self.position()
            token = self.take(_KEY)
            name: str = tomllib.loads(f"k = {token}")["k"] if token[0] in "\"'" else token
            parts.append((name, place))
            self.skip(_BLANK)
            if not self.peek("."):
                return parts
            self.at += 1
            self.skip(_BLANK)

    def value(self, path: KeyPath) -> None:
        if self.peek("["):
            self.array(path)
        elif self.peek("{"):
            self.inline_table(path)
        elif self.peek('"') or self.peek("'"):
            self.take(_STRING)
        else:
            self.take(_BARE)

    def array(self, path: KeyPath) -> None:
        self.expect("[")
        index = 0
        while True:
            self.skip(_SKIP)
            if self.peek("]"):
                self.at += 1
                return
            place = self.position()
            self.scan.found[(*path, index)] = Located(place, place)
            self.value((*path, index))
            index += 1
            self.comma_or("]")

    def inline_table(self, path: KeyPath) -> None:
        self.expect("{")
        while True:
            self.skip(_SKIP)
            if self.peek("}"):
                self.at += 1
                return
            self.pair(path)
            self.comma_or("}")

    def comma_or(self, end: str) -> None:
        self.skip(_SKIP)
        if self.peek(","):
            self.at += 1
        elif not self.peek(end):
            raise ScanError(f"no '{end}'", self.position())

    def peek(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def expect(self, token: str) -> None:
        if not self.peek(token):
            raise ScanError(f"no '{token}'", self.position())
        self.at += len(token)

    def take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ScanError("nothing that can be read", self.position())
        self.at = match.end()
        return match.group()

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def position(self) -> Position:
        line = bisect.bisect_right(self.starts, self.at)
        return Position(line, self.at - self.starts[line - 1] + 1)
