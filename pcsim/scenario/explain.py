"""What validation found, as lines for the user: where, what, what is allowed."""

import math
import re
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from pcsim.scenario.fields import LARGEST, Allowed, Inconsistency, Table, allowed_by
from pcsim.scenario.locate import KeyPath
from pcsim.scenario.search import VALUES
from pcsim.scenario.synonyms import closest
from pcsim.scenario.syntax import dotted
from pcsim.scenario.toml_text import quoted, value_or_word
from pcsim.scenario.tree import Problem, Tree
from pcsim.scenario.words import inner_tables


def explain(
    error: ValidationError,
    tree: Tree,
    model: type[Table],
    prefix: KeyPath = (),
    told: frozenset[KeyPath] = frozenset(),
) -> list[Problem]:
    """Return a problem for each mistake in the part of the tree below `prefix`, which `model` describes.

    Keys in `told` are missing for a reason that has been reported.
    """
    problems: list[tuple[KeyPath, Problem]] = []
    seen: set[KeyPath] = set()
    for each in error.errors(include_url=False):
        if each["type"] == "inconsistent":
            found: list[Inconsistency] = each.get("ctx", {})["found"]
            problems += [((), _inconsistent(one, tree)) for one in found if path_of(one.keys[0]) not in told]
            continue
        path = _written_part(tree, (*prefix, *each["loc"]))
        is_missing = each["type"] == "missing" and len(path) == len(prefix) + len(each["loc"]) - 1
        if is_missing:
            path = (*path, each["loc"][-1])
        if path in seen or (is_missing and path in told):
            continue
        seen.add(path)
        allowed = _allowed(model, path[len(prefix) :])
        problem = _missing(path, tree, model, allowed) if is_missing else _wrong(path, tree, allowed)
        problems.append((path, problem))
    # pydantic reports a list both for itself and for its items
    above = {path[:length] for path, _ in problems for length in range(1, len(path))}
    return [problem for path, problem in problems if path not in above]


def _written_part(tree: Tree, loc: KeyPath) -> KeyPath:
    """Return the part of a location that the user wrote: what follows are names of types."""
    path: KeyPath = ()
    for part in loc:
        holder = tree.get(path)
        is_key = isinstance(holder, dict) and part in holder
        is_item = isinstance(holder, list) and isinstance(part, int)
        if not is_key and not is_item:
            break
        path = (*path, part)
    return path


def _allowed(model: type[Table], path: KeyPath) -> Allowed:
    """Return what the key at a path takes; for an item of a list, what the list takes."""
    allowed = Allowed("a table of keys")
    fields: dict[str, FieldInfo] = dict(model.model_fields)
    for part in path:
        if isinstance(part, int):
            continue
        if part not in fields:
            return VALUES if path[0] == "search" else allowed
        allowed = allowed_by(fields[part])
        inner = inner_tables(fields[part].annotation)
        fields = dict(inner[0].model_fields) if inner else {}
    return allowed


def _inconsistent(found: Inconsistency, tree: Tree) -> Problem:
    places = [tree.newest(path_of(key)) for key in found.keys]
    # the last one to be written made the conflict; the first named where all stand in one file
    place = max(places, key=lambda place: place.layer)
    return Problem(place, f"{place.key_label()}: {found.text}")


def path_of(key: str) -> KeyPath:
    """Return the path of a dotted key, numbers in it those of items of a list."""
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", key))


def _missing(path: KeyPath, tree: Tree, model: type[Table], allowed: Allowed) -> Problem:
    place = tree.place(path[:-1])
    inner = inner_tables(model.model_fields[str(path[0])].annotation) if len(path) == 1 else []
    if not inner:
        return Problem(place, f"{place.key_label()}: {dotted(path)} is missing; give {allowed.phrase}")
    return Problem(
        place, f"{place.key_label()}: the table [{dotted(path)}] is missing; it needs {' and '.join(inner[0].needed())}"
    )


def _wrong(path: KeyPath, tree: Tree, allowed: Allowed) -> Problem:
    value, place = tree.get(path), tree.place(path)
    # an override names its key by itself
    key = f"{dotted(tuple(part for part in path if isinstance(part, str)))}: " if place.located else ""
    close = closest(value, allowed.words) if isinstance(value, str) and value not in allowed.words else None
    advice = f"; did you mean '{close}'? Give" if close else "; give"
    hint = _hint(value, allowed) if close else _hint(value, allowed) + _own(value, allowed)
    return Problem(place, f"{place.value_label()}: {key}{quoted(value)} is not allowed{advice} {allowed.phrase}{hint}")


def _own(value: Any, allowed: Allowed) -> str:
    """Return what to add where a word may be a user's own."""
    if not (allowed.open and isinstance(value, str)):
        return ""
    return (
        "; a word of your own is known once its module is imported, at the command line by --allow (docs/extending.md)"
    )


def _hint(value: Any, allowed: Allowed) -> str:
    """Return what to add where a value looks right and is not."""
    if isinstance(value, str) and _is_number_or_flag(value) and re.search("number|true", allowed.phrase):
        return ", without quotes"
    if isinstance(value, int) and abs(value) > LARGEST:
        return ", that fits into 64 bits"
    if isinstance(value, float) and not math.isfinite(value):
        return ", and a finite one"
    return ""


def _is_number_or_flag(text: str) -> bool:
    try:
        return isinstance(value_or_word(text), int | float)
    except ValueError:
        return False
