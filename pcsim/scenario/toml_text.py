"""Values written as TOML, for resolved scenarios and for messages that quote what was found."""

import json
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

LINE_LENGTH = 100


def toml_value(value: Any) -> str:
    """Return a value as TOML on one line; dates and times as Python prints them, which is TOML too."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        pairs = [f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items()]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return str(value)


def toml_line(key: str, value: Any) -> str:
    """Return `key = value`, with a long list broken over indented lines, a table a line."""
    line = f"{key} = {toml_value(value)}"
    if len(line) <= LINE_LENGTH or not isinstance(value, list | tuple):
        return line
    rows = [""]
    for item in value:
        text = f"{toml_value(item)}, "
        if rows[-1] and (isinstance(item, Mapping) or len(rows[-1]) + len(text) > LINE_LENGTH - 4):
            rows.append("")
        rows[-1] += text
    body = "\n".join(f"    {row.rstrip()}" for row in rows)
    return f"{key} = [\n{body}\n]"


def quoted(value: Any, longest: int = 60) -> str:
    """Return a value as TOML for a message, cut where it is long."""
    try:
        text = toml_value(value)
    except RecursionError:
        return "a value nested too deeply"
    return text if len(text) <= longest else text[: longest - 4] + " ..."


def value_or_word(text: str) -> Any:
    """Return what a text means as a TOML value, or the text itself where it is a bare word, path or sentence.

    Raises ValueError for what begins like a list, a table or a quotation and is not one.
    """
    try:
        found = tomllib.loads(f"value = {text}")
    except (ValueError, RecursionError):
        if text.lstrip()[:1] in ("[", "{", '"', "'"):
            advice = "write it as in a file, in single quotes for the shell: --set 'trace.record=[\"energy\"]'"
            raise ValueError(f"{text} is not a TOML value; {advice}") from None
        return text
    # a line break would let one value set other keys too
    return found["value"] if list(found) == ["value"] else text


def toml_key(key: str) -> str:
    """Return a key as TOML, in quotes where it needs them."""
    bare = key.replace("_", "a").replace("-", "a")
    return key if bare.isascii() and bare.isalnum() else toml_value(key)
