"""Reading a scenario: files and overrides laid over each other and checked as a whole."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pcsim.errors import ScenarioError
from pcsim.resources import expanded
from pcsim.scenario.explain import explain
from pcsim.scenario.locate import KeyPath
from pcsim.scenario.model import Reading, Scenario
from pcsim.scenario.motion import replace_motion, settle_steps, still_replaced
from pcsim.scenario.overrides import Override, keyword_overrides, parse_overrides
from pcsim.scenario.relevance import take_unused
from pcsim.scenario.search import Range, flattened_search
from pcsim.scenario.sizes import named_words, replace_sizes, resolve_sizes, split_output
from pcsim.scenario.sources import Source, extend_chain, find, make_source, read_chain
from pcsim.scenario.sweep import combinations, flattened, placed_flat, settle_sweep, spread_out
from pcsim.scenario.syntax import dotted
from pcsim.scenario.toml_text import quoted
from pcsim.scenario.training import settle_training
from pcsim.scenario.tree import DEEPEST, Place, Tree, sorted_lines, too_deep
from pcsim.scenario.words import take_unknown
from pcsim.scenario.write import scenario_text

MOST_RUNS = 100_000
"""Of a sweep: each is read and checked beforehand, about a thousand a second."""
FILES = (("network", "weights"), ("data", "file"))
"""Keys that name files, which start from the folder of the scenario."""


def read_scenario(
    source: str | Path,
    overrides: str | Sequence[str] = (),
    *,
    backend: str | None = None,
    precision: str | None = None,
    seed: int | None = None,
) -> Scenario:
    """Read a scenario from a file, a pipe ("-" is standard input), or one that ships by its name.

    `overrides` are texts like "inference.step_size=0.05", one or several, their values read as TOML. Raises
    ScenarioError with one line for each mistake.
    """
    given = parse_overrides(overrides)
    options = keyword_overrides(given, backend, precision, seed)
    return assemble(read_chain(find(source)), given, options)


def parse_scenario(
    text: str,
    base: Path | None = None,
    overrides: str | Sequence[str] = (),
    *,
    backend: str | None = None,
    precision: str | None = None,
    name: str = "scenario",
    allow: Sequence[str] | None = None,
) -> Scenario:
    """Read a scenario from its text; paths in it start from the folder `base` (default: the current one).

    `name` is what messages call the text; `overrides`, `backend` and `precision` are as in `read_scenario`. A text that
    a file brings along has no say in what is read and run: it extends no other, and `allow` are the modules that it may
    have imported (None: the text is the user's own). Raises ScenarioError with one line for each mistake.
    """
    given = parse_overrides(overrides)
    options = keyword_overrides(given, backend, precision, None)
    source = make_source(text, name, base or Path())
    if allow is not None and "extends" in source.values:
        advice = "put the text that pcsim show SCENARIO prints in its place"
        raise ScenarioError([f"{name}: extends names another file, which a scenario inside a file must not; {advice}"])
    return assemble(extend_chain(source, []), given, options, None if allow is None else tuple(allow))


def assemble(
    chain: list[Source], given: list[Override], options: list[Override], allowed: tuple[str, ...] | None = None
) -> Scenario:
    """Lay sources (the base first), overrides and options over each other, and check the whole.

    `allowed` are the modules that a text which a file brought along may import. Raises ScenarioError with one line for
    each mistake.
    """
    tree = Tree(_in_file(len(chain) - 1, chain[-1])(()))
    notes: list[str] = []
    for layer, source in enumerate(chain):
        values = {key: value for key, value in source.values.items() if key != "extends"}
        notes += _lay(tree, values, source.folder, _in_file(layer, source))
    for rank, override in enumerate([*given, *options]):
        # options such as --backend come after every --set
        place = Place(len(chain) + (rank >= len(given)), override.typed, rank=rank)
        notes += _lay(tree, override.as_tree(), None, lambda path, place=place: place)
    swept = settle_sweep(tree, [*given, *options])
    problems = take_unknown(tree)
    replaced = still_replaced(tree, notes)
    unused, dropped = take_unused(tree)
    notes = [*replaced, *dropped, *swept, *settle_steps(tree), *settle_training(tree)]
    told = frozenset(problem.meant for problem in problems if problem.meant)
    architecture = named_words(tree)
    problems += unused + resolve_sizes(tree, told)
    try:
        recorded = frozenset[str]() if allowed is None else frozenset(_texts([source.values for source in chain]))
        scenario = Scenario.model_validate(tree.values, context=recorded)
    except ValidationError as error:
        # where the sizes are missing they have had their own problem
        problems += explain(error, tree, Scenario, told=told)
        scenario = None
    if problems or scenario is None:
        raise ScenarioError(sorted_lines(problems))
    places = {dotted(path): place.key_label() for path, place in tree.places.items() if path}
    relative, folder = _relative(tree, chain[-1].folder.absolute())
    scenario = scenario.read_as(Reading(tuple(notes), places, relative, folder, allowed, None, architecture))
    runs_of(scenario)
    _check_search(scenario)
    return scenario


def _check_search(scenario: Scenario) -> None:
    """Raise ScenarioError with a line for each value that a search may come to and that no run can have."""
    problems: dict[str, None] = {}
    for key, values in scenario.search.space.items() if scenario.search is not None else ():
        for value in (values.low, values.high) if isinstance(values, Range) else values:
            try:
                run_with(scenario, {key: value}, "search")
            except ScenarioError as error:
                problems |= dict.fromkeys(error.problems)
    if problems:
        raise ScenarioError(list(problems))


def _texts(values: Any) -> Iterator[str]:
    """Yield every text in nested tables and lists."""
    if isinstance(values, str):
        yield values
    for each in values.values() if isinstance(values, dict) else values if isinstance(values, list) else ():
        yield from _texts(each)


def _relative(tree: Tree, folder: Path) -> tuple[dict[str, str], str]:
    """Return the files named in scenario files as seen from a folder, by key, and that folder."""
    paths = {dotted(path): tree.get(path) for path in sorted(tree.relative)}
    return {key: os.path.relpath(path, folder) for key, path in paths.items() if isinstance(path, str)}, str(folder)


@dataclass(frozen=True)
class Run:
    """One run of a sweep: its scenario, without [sweep] and [study], and the values in which it differs from others."""

    scenario: Scenario
    values: Mapping[str, Any]

    def label(self, *without: str) -> str:
        """Return the values in a few words, such as `state, step size 0.1`, but for those of keys with some names."""
        found = (_words(key, value, without) for key, value in self.values.items())
        return ", ".join(words for words in found if words)


def runs_of(scenario: Scenario) -> tuple[Run, ...]:
    """Return the runs that a sweep makes of a scenario, the scenario itself where it has none.

    Raises ScenarioError with a line for each value that does not go with the rest.
    """
    base = scenario.alone()
    if scenario.sweep is None:
        return (Run(base, {}),)
    runs = prod(map(len, scenario.sweep.values()))
    if runs > MOST_RUNS:
        raise ScenarioError([f"{scenario.where('sweep')}: {runs:,} combinations; at most {MOST_RUNS:,} are allowed"])
    source = make_source(scenario_text(base, listed=False), "the scenario", Path())
    found: list[Run] = []
    problems: dict[str, None] = {}
    for values in combinations(scenario.sweep):
        try:
            run = _run_with(base, source, values, lambda key: scenario.where(f"sweep.{key}"))
            found.append(replace(run, values={key: v for key, v in values.items() if len(scenario.sweep[key]) > 1}))
        except ScenarioError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise ScenarioError(list(problems))
    return tuple(found)


def run_with(scenario: Scenario, values: Mapping[str, Any], table: str = "sweep") -> Run:
    """Return the run of a scenario, its sweep, search and study left aside, with some values by key.

    Raises ScenarioError with a line for each value that does not go with the rest, at its key in the `table`.
    """
    base = scenario.alone()
    source = make_source(scenario_text(base, listed=False), "the scenario", Path())
    return _run_with(base, source, values, lambda key: scenario.where(f"{table}.{key}"))


def _run_with(base: Scenario, source: Source, values: Mapping[str, Any], where: Callable[[str], str]) -> Run:
    given = [
        Override(tuple(key.split(".")), value, f"{where(swept)}{f': {key}' * (swept != key)} = {quoted(value)}")
        for key, (swept, value) in spread_out(values).items()
    ]
    return Run(assemble([source], given, [], base.reading.allowed).with_network(base.reading.network), values)


def _words(key: str, value: Any, without: Sequence[str]) -> str:
    name = key.rpartition(".")[2].replace("_", " ")
    if isinstance(value, Mapping):
        found = (_words(str(inner), item, without) for inner, item in value.items())
        return ", ".join(words for words in found if words)
    if name in without:
        return ""
    if isinstance(value, bool):
        return name if value else f"no {name}"
    return value if isinstance(value, str) else f"{name} {quoted(value)}"


def _in_file(layer: int, source: Source) -> Callable[[KeyPath], Place]:
    if source.scan is None:
        return lambda path: Place(layer, f"{source.name} {dotted(path)}".rstrip())
    return lambda path: Place(layer, source.name, source.locate(path))


def _lay(tree: Tree, values: dict[str, Any], folder: Path | None, place_of: Callable[[KeyPath], Place]) -> list[str]:
    """Lay one file or override over the tree, its words put into the form in which they can be merged.

    Paths in it start from its `folder`, those of an override from the current one. Return a note for each older key
    that was dropped.
    """
    if (path := too_deep(values)) is not None:
        key = tuple(part for part in path[:2] if isinstance(part, str))
        text = f"{dotted(key)} is nested more than {DEEPEST} levels deep, as nothing in a scenario is"
        raise ScenarioError([f"{place_of(key).key_label()}: {text}"])
    values = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
    for table, key in FILES:
        found = values.get(table)
        if isinstance(found, dict) and isinstance(path := found.get(key), str) and path:
            found[key] = _placed(path, folder)
            relative = folder is not None and not expanded(path).is_absolute()
            (tree.relative.add if relative else tree.relative.discard)((table, key))
    network = values.get("network")
    if isinstance(network, dict):
        split_output(network)
        replace_sizes(tree, network)
    inference = values.get("inference")
    notes = replace_motion(tree, inference, place_of) if isinstance(inference, dict) else []
    if isinstance(values.get("search"), dict):
        search = flattened_search(values["search"])
        values["search"] = {key: _swept_files(key, value, folder) for key, value in search.items()}
    if isinstance(values.get("sweep"), dict):
        values["sweep"] = {key: _swept_files(key, lists, folder) for key, lists in flattened(values["sweep"]).items()}
    tree.overlay(values, placed_flat(place_of))
    return notes


def _placed(path: str, folder: Path | None) -> str:
    return str(((folder or Path()) / expanded(path)).absolute())


def _swept_files(key: str, values: Any, folder: Path | None) -> Any:
    """Return the values of a swept key, those that name files by their absolute paths."""
    if not isinstance(values, list):
        return values
    if tuple(key.split(".")) in FILES:
        return [_placed(value, folder) if isinstance(value, str) and value else value for value in values]
    return [_with_file_placed(key, value, folder) for value in values]


def _with_file_placed(table: str, value: Any, folder: Path | None) -> Any:
    key = dict(FILES).get(table)
    if not isinstance(value, dict) or not isinstance(path := value.get(key), str) or not path:
        return value
    return {**value, key: _placed(path, folder)}
