"""TOML text to values and positions; what is not TOML becomes one clear line."""

import re
import tomllib
from typing import Any

from pcsim.errors import ScenarioError
from pcsim.scenario.characters import hidden_cause
from pcsim.scenario.locate import KeyPath, Position, Scan, ScanError, locate

_WHERE = re.compile(r"^(?P<what>.*?) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)$", re.S)
_VALUE = re.compile(r"^[^=#]*=\s*(?P<value>[^#]*?)\s*(?:#.*)?$")

_OPEN_QUOTE = "a quote is opened and not closed"
_COMPLAINTS = (
    ("Unclosed array", "a list is not closed; it ends with ]"),
    ("Unclosed inline table", "a table is not closed; it ends with }"),
    (r"(Illegal|invalid) character '\\n'|Unterminated string|^Expected [\"']+$", _OPEN_QUOTE),
    (
        "Unescaped|hex value|scalar value",
        "a backslash has a meaning of its own inside double quotes; use single quotes, or double it",
    ),
    ("at the end of a", "a table's name is not closed; write it as [inference], on a line of its own"),
)
_VALUES = (
    ("", "there is no value after '='"),
    ("True|False", "{value} is not TOML; write {better}, in small letters"),
    (r"[+-]?(\.\d+|\d+\.)([eE][+-]?\d+)?", "{value} is not TOML; write digits on both sides of the point"),
    (r"[+-]?\d+,\d+", "{value} is not TOML; write a point, {better}"),
    (r"[+-]?0\d+(\.\d+)?", "{value} is not TOML; a number does not begin with 0"),
    (r"[^\W\d][\w./-]*", '{value} needs quotes; write "{value}"'),
)


def parse_toml(text: str, name: str) -> tuple[dict[str, Any], Scan]:
    """Return the values of a TOML text and where they stand.

    Raises ScenarioError, with `name` in front of line and column, where the text is not TOML.
    """
    try:
        return _parsed(text, name)
    except RecursionError:
        raise ScenarioError([f"{name}: brackets are nested too deeply"]) from None


def _parsed(text: str, name: str) -> tuple[dict[str, Any], Scan]:
    text = text.replace("\r\n", "\n")
    try:
        return tomllib.loads(text), locate(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(_explain(str(error), text, name)) from None
    except ValueError:
        # the one other error of tomllib: Python refuses to read thousands of digits
        long = re.search(r"\d[\d_]{4000}", text)
        line = text.count("\n", 0, long.start()) + 1 if long else 1
        raise ScenarioError([f"{name}:{line}: a number has too many digits"]) from None


def dotted(path: KeyPath) -> str:
    """Return a key path as a user writes it: `network.widths[0]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def _explain(message: str, text: str, name: str) -> list[str]:
    if any(word in message for word in ("overwrite", "twice", "Duplicate", "mutate", "redefine")):
        return _explain_repeated(message, text, name)
    what, place = _split(message, text)
    line = text.split("\n")[place.line - 1]
    if hidden := hidden_cause(text, place):
        place, advice = hidden
    else:
        advice = _brace(what, text, place) or _hint(what, line)
    if advice == _OPEN_QUOTE:
        place = _opening_quote(text, place)
    return [f"{name}:{place.line}:{place.column}: {advice}"]


def _brace(what: str, text: str, place: Position) -> str | None:
    """Return advice on a table in braces that a newer TOML would take."""
    lines = text.split("\n")
    before, rest = lines[place.line - 1][: place.column - 1], lines[place.line - 1][place.column - 1 :].strip()
    closes = "}" in rest or any("}" in line for line in lines[place.line :])
    if not re.search("key part|Unclosed inline table", what) or "{" not in before or not closes:
        return None
    if rest.startswith("}"):
        return "a table in braces ends without a comma (TOML 1.0); remove it"
    if not rest or rest.startswith("#"):
        return "a table in braces stands on one line (TOML 1.0); write it so, or as a [table] of its own"
    return None


def _opening_quote(text: str, fallback: Position) -> Position:
    # tomllib points at the end of the line or of the file, the scanner stops where the quotation begins
    try:
        locate(text)
    except ScanError as error:
        return error.position
    return fallback


def _split(message: str, text: str) -> tuple[str, Position]:
    match = _WHERE.match(message)
    if match is None:
        return message, Position(1, 1)
    if match["line"]:
        return match["what"], Position(int(match["line"]), int(match["column"]))
    lines = text.rstrip().split("\n")
    return match["what"], Position(len(lines), len(lines[-1]) + 1)


def _explain_repeated(message: str, text: str, name: str) -> list[str]:
    try:
        duplicates = locate(text).duplicates
    except ScanError:
        duplicates = []
    if duplicates:
        return [
            f"{name}:{each.second.line}:{each.second.column}: {dotted(each.path)} is written a second time "
            f"(first on line {each.first.line}); keep one"
            for each in duplicates
        ]
    _, place = _split(message, text)
    return [f"{name}:{place.line}:{place.column}: this key has a value or a finished table already; keep one"]


def _hint(what: str, line: str) -> str:
    """Return advice on what tomllib complains about in a line."""
    for sign, advice in _COMPLAINTS:
        if re.search(sign, what):
            return advice
    value = _VALUE.match(line)
    if value and re.search("Invalid value|newline or end", what):
        return _value_hint(value["value"])
    return f"this is not TOML: {line.strip() or what}; write key = value, a [table], or # before a comment"


def _value_hint(value: str) -> str:
    """Return advice on a value that is not TOML."""
    for form, advice in _VALUES:
        if re.fullmatch(form, value):
            better = value.lower() if value in ("True", "False") else value.replace(",", ".")
            return advice.format(value=value, better=better)
    return f"{value} is not a TOML value; write a number, true, false, a text in quotes, a list or a table"
