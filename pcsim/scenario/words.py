"""The keys a file may hold, and what to say about one that it may not."""

import types
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias, Union, get_args, get_origin

from pcsim.errors import did_you_mean
from pcsim.scenario.fields import Table
from pcsim.scenario.locate import KeyPath
from pcsim.scenario.model import Scenario
from pcsim.scenario.network import Hidden
from pcsim.scenario.tree import Problem, Tree

Words: TypeAlias = dict[str, "Words | None"]
"""Allowed keys; None for one that holds no table."""

# words of other programs and papers, which spelling alone does not lead to ours
SYNONYMS = {
    "lr": "step_size",
    "learning_rate": "step_size",
    "lambda": "step_size",
    "dt": "step_size",
    "n_steps": "steps",
    "iterations": "steps",
    "num_steps": "steps",
    "dtype": "precision",
    "batch_size": "batch",
    "nonlinearity": "activation",
    "gamma": "precisions",
    "optimiser": "optimizer",
    "parametrization": "parametrisation",
    "layers": "widths",
    "sizes": "widths",
    "dataset": "name",
    "path": "file",
    "mse": "squared-error",
    "ce": "cross-entropy",
    "bce": "binary-cross-entropy",
    "so": "state",
    "eo": "error",
    "bp": "backprop",
    "sgd": "gd",
    "identity": "linear",
    "forward": "feedforward",
    "half": "float16",
    "single": "float32",
    "double": "float64",
}


def suggestion(word: str, allowed: list[str]) -> str:
    """Return `"; did you mean 'x'?"` where an allowed word is close in spelling or meaning, or nothing."""
    lower = word.lower()
    synonym = SYNONYMS.get(lower, SYNONYMS.get(lower.replace("-", "_"), ""))
    if synonym in allowed:
        return f"; did you mean '{synonym}'?"
    return did_you_mean(lower, allowed)


def inner_tables(annotation: Any) -> list[type[Table]]:
    """Return the table models that a field's annotation allows."""
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return [annotation]
    if get_origin(annotation) in (Union, types.UnionType, Annotated):
        return [table for each in get_args(annotation) for table in inner_tables(each)]
    return []


def words_of(model: type[Table]) -> Words:
    """Return the keys of a table model, nested."""
    words: Words = {}
    for name, field in model.model_fields.items():
        inner = inner_tables(field.annotation)
        words[name] = words_of(inner[0]) if inner else None
    return words


def file_words() -> Words:
    """Return every key a file may hold, with those that reading resolves away."""
    words = words_of(Scenario)
    network = words["network"]
    if network is not None:
        network |= {"input": None, "hidden": words_of(Hidden), "output": {"width": None, "activation": None}}
    return {"title": None, "seed": None, "extends": None} | words


@dataclass(frozen=True)
class _Table:
    """A table of the file and the keys it may hold."""

    path: KeyPath
    words: Words

    @property
    def name(self) -> str:
        if not self.path:
            return "at the top of the file"
        return "in [" + ".".join(str(part) for part in self.path) + "]"


def take_unknown(tree: Tree) -> list[Problem]:
    """Remove the keys that no file may hold, and return a problem for each."""
    every = file_words()
    problems: list[Problem] = []
    _walk(tree, _Table((), every), every, problems)
    return problems


def _walk(tree: Tree, table: _Table, every: Words, problems: list[Problem]) -> None:
    for key, value in list(tree.table(*[str(part) for part in table.path]).items()):
        path = (*table.path, key)
        if key not in table.words:
            place = tree.newest(path)
            problems.append(Problem(place, f"{place.key_label()}: {_unknown(key, value, table, every)}"))
            tree.remove(path)
        elif (inner := table.words[key]) is not None and isinstance(value, dict):
            _walk(tree, _Table(path, inner), every, problems)


def _unknown(key: str, value: Any, table: _Table, every: Words) -> str:
    if not table.path and isinstance(value, dict):
        names = [name for name, inner in every.items() if inner is not None]
        close = suggestion(key, names).replace("'", "[", 1).replace("'", "]", 1)
        return f"unknown table [{key}]{close or '; the tables are ' + _names(f'[{name}]' for name in names)}"
    if homes := _homes(key, table, every):
        return f"'{key}' belongs {homes}; move it there"
    here = list(table.words)
    if close := suggestion(key, here):
        return f"unknown key '{key}' {table.name}{close}"
    elsewhere = {name: f"[{top}]" for top, inner in every.items() for name in (inner or {})}
    if close := suggestion(key, [name for name in elsewhere if name not in here]):
        home = elsewhere[close.split("'")[1]]
        return f"unknown key '{key}' {table.name}{close.removesuffix('?')} in {home}?"
    return f"unknown key '{key}' {table.name}; its keys are {_names(here)}"


def _homes(key: str, table: _Table, every: Words) -> str:
    homes = [f"in [{top}]" for top, inner in every.items() if inner and key in inner and table.path != (top,)]
    if key in every and every[key] is None and table.path:
        homes.insert(0, "at the top of the file, before any [table]")
    return " or ".join(homes)


def _names(words: Any) -> str:
    return ", ".join(words)
