"""The keys a file may hold, and what to say about one that it may not."""

import types
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pcsim.scenario.fields import Table
from pcsim.scenario.locate import KeyPath
from pcsim.scenario.model import Scenario
from pcsim.scenario.network import Hidden
from pcsim.scenario.search import WORDS as SEARCH
from pcsim.scenario.sweep import SWEPT, TOGETHER
from pcsim.scenario.synonyms import closest, synonym
from pcsim.scenario.syntax import dotted
from pcsim.scenario.toml_text import quoted
from pcsim.scenario.tree import Problem, Tree

Words: TypeAlias = dict[str, "Words | None"]
"""Allowed keys; None for one that holds no table."""


def inner_tables(annotation: Any) -> list[type[Table]]:
    """Return the table models that a field's annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated, tuple):
        return [table for each in get_args(annotation) for table in inner_tables(each)]
    return []


def words_of(model: type[Table]) -> Words:
    """Return the keys of a table model, nested."""
    words: Words = {}
    for name, field in model.model_fields.items():
        inner = inner_tables(field.annotation)
        words[name] = words_of(inner[0]) if inner else None
    return words


@cache
def file_words() -> Words:
    """Return every key a file may hold, with those that reading resolves away."""
    words = words_of(Scenario)
    network = words["network"]
    if network is not None:
        network |= {"hidden": words_of(Hidden), "output": {"width": None, "activation": None}}
        network |= {"architecture": None, "width": None, "statistics": None}
    return {"title": None, "seed": None, "extends": None} | words | {"search": None}


def homes_of(word: str) -> list[str]:
    """Return the dotted keys that an option of a user's may stand for: by its name, a synonym of it, or nearly so."""
    every, name = file_words(), word.replace("-", "_")
    tables: dict[str, Words] = {"": every} | {top: inner for top, inner in every.items() if inner}
    leaves = {top: [key for key, inner in words.items() if inner is None] for top, words in tables.items()}
    exact = {top: name if name in keys else None for top, keys in leaves.items()}
    meant = {top: synonym(name, keys) for top, keys in leaves.items()}
    near = {top: closest(name, keys) for top, keys in leaves.items()}
    for found in (exact, meant, near):
        if any(found.values()):
            return [f"{top}.{key}".lstrip(".") for top, key in found.items() if key]
    return []


@dataclass(frozen=True)
class _Table:
    """A table of the file and the keys it may hold."""

    path: KeyPath
    words: Words

    @property
    def in_list(self) -> bool:
        """Whether it is an entry of a list, or a table in one."""
        return any(isinstance(part, int) for part in self.path)

    @property
    def name(self) -> str:
        if not self.path:
            return "at the top of the file"
        inner = [f"entry {part}" if isinstance(part, int) else str(part) for part in self.path]
        return "in [" + ".".join(inner).replace(".entry", ", entry") + "]"


def take_unknown(tree: Tree) -> list[Problem]:
    """Remove the keys that no file may hold, and return a problem for each."""
    every = file_words()
    problems: list[Problem] = []
    _walk(tree, _Table((), every), every, problems)
    swept = {name: every[name] for name in SWEPT}
    for name, words in (("sweep", swept), ("search", dict.fromkeys(SEARCH, None) | swept)):
        known = len(problems)
        for key, values in tree.table(name).items():
            if name == "sweep" and key.partition(".")[0] == TOGETHER:
                _check_together(tree, key, values, problems)
            else:
                _check_swept(tree, key, _Table((name,), words), problems)
        if len(problems) > known:
            # what is left may be empty, which would be told as a second mistake
            tree.remove((name,))
    return problems


def _walk(tree: Tree, table: _Table, every: Words, problems: list[Problem]) -> None:
    held = tree.get(table.path)
    for key, value in list(held.items() if isinstance(held, dict) else ()):
        path = (*table.path, key)
        if key not in table.words:
            place = tree.place(path)
            text, meant = _unknown(key, value, table, every)
            # lr in [inference] is its step size, although [learning] has an lr
            # and those of a layer belong to no table of the file
            stays = table.in_list or synonym(key, list(table.words))
            if not stays and (homes := _homes(key, table, every)):
                text, meant = _move(key, homes, place.located is not None), homes[0]
            problems.append(Problem(place, f"{place.key_label()}: {text}", meant))
            tree.remove(path)
        elif (inner := table.words[key]) is not None:
            for each in [path] if isinstance(value, dict) else _items(path, value):
                _walk(tree, _Table(each, inner), every, problems)


def _items(path: KeyPath, value: Any) -> list[KeyPath]:
    """Return the paths of the tables in a list."""
    return [(*path, index) for index, _ in enumerate(value if isinstance(value, list) else ())]


def _check_swept(tree: Tree, key: str, table: _Table, problems: list[Problem]) -> None:
    """Add a problem for a dotted key of a sweep or search that no file may hold."""
    every, place = table.words, tree.place((table.path[0], key))
    for part in key.split("."):
        if part not in table.words:
            text, _ = _unknown(part, None, table, every)
            problems.append(Problem(place, f"{place.key_label()}: {text}"))
            return
        table = _Table((*table.path, part), table.words[part] or {})


def _check_together(tree: Tree, key: str, values: Any, problems: list[Problem]) -> None:
    """Add a problem where what changes together is no list of tables, or is what no sweep may change."""
    tables = values if key == TOGETHER and isinstance(values, list) else [None]
    if all(isinstance(table, dict) and set(table) <= set(SWEPT) for table in tables):
        return
    place = tree.place(("sweep", key))
    example = "together = [{ network.hidden.layers = 4, inference.steps = 4 }]"
    advice = f"give tables of keys below {', '.join(SWEPT)}, as in {example}"
    problems.append(Problem(place, f"{place.key_label()}: {key} = {quoted(values)} is not allowed; {advice}"))


def _unknown(key: str, value: Any, table: _Table, every: Words) -> tuple[str, KeyPath | None]:
    """Return what to say about an unknown key, and the key it seems to stand for."""
    if not table.path and isinstance(value, dict):
        names = [name for name, inner in every.items() if inner is not None or name in ("sweep", "search")]
        if close := closest(key, names):
            return f"unknown table [{key}]; did you mean [{close}]?", (close,)
        return f"unknown table [{key}]; the tables are " + ", ".join(f"[{name}]" for name in names), None
    here = list(table.words)
    if close := closest(key, here):
        return f"unknown key '{key}' {table.name}; did you mean '{close}'?", (*table.path, close)
    tops = {} if table.in_list else every
    elsewhere = {name: top for top, inner in tops.items() for name in (inner or {}) if name not in here}
    if close := closest(key, list(elsewhere)):
        home = elsewhere[close]
        return f"unknown key '{key}' {table.name}; did you mean '{close}' in [{home}]?", (home, close)
    return f"unknown key '{key}' {table.name}; its keys are {', '.join(here)}", None


def _homes(key: str, table: _Table, every: Words) -> list[KeyPath]:
    """Return where a key would be known, other than where it stands."""
    homes: list[KeyPath] = [(key,)] if key in every and every[key] is None and table.path else []
    return homes + [(top, key) for top, inner in every.items() if inner and key in inner and table.path != (top,)]


def _move(key: str, homes: list[KeyPath], in_file: bool) -> str:
    if not in_file:
        return f"'{key}' does not belong there; write " + " or ".join(dotted(home) for home in homes)
    names = [f"in [{home[0]}]" if len(home) > 1 else "at the top of the file, before any table" for home in homes]
    return f"'{key}' belongs {' or '.join(names)}; move it there"
