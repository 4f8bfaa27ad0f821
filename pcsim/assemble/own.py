"""What a scenario names that does not ship: which words those are, and the objects they stand for."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pcsim.assemble.own_code import takes_functions
from pcsim.assemble.own_trials import TRIALS, require_activation
from pcsim.assemble.roles import named
from pcsim.engine.backend import Capabilities
from pcsim.engine.registry import others_that
from pcsim.errors import UsageError
from pcsim.extensions import KINDS, find, lender, names, origin_of
from pcsim.scenario import Scenario, ignored_key, unused_keys


class OwnWord(NamedTuple):
    """A word of a user's own, its kind and the key it stands at."""

    key: str
    kind: str
    word: str


def own_words(scenario: Scenario) -> tuple[OwnWord, ...]:
    """Return the words of a scenario that do not ship, in its order, each once."""
    found = dict[tuple[str, str], OwnWord]()
    for each in _words(scenario):
        if each.word not in KINDS[each.kind].shipped and lender(each.kind, each.word) is None:
            found.setdefault((each.kind, each.word), each)
    return tuple(found.values())


def unknown_words(scenario: Scenario) -> tuple[OwnWord, ...]:
    """Return those words of a scenario that do not ship and that nothing is registered by here."""
    return tuple(each for each in own_words(scenario) if each.word not in names(each.kind))


def lent_words(scenario: Scenario) -> dict[OwnWord, str]:
    """Return the words of a scenario that name things of other packages, and these packages."""
    found = {each: lender(each.kind, each.word) for each in _words(scenario)}
    return {each: package for each, package in found.items() if package is not None}


def packages_of(scenario: Scenario, able: Capabilities) -> tuple[str, ...]:
    """Return the packages whose versions decide the last bits of a scenario on a backend."""
    return (*able.packages, *dict.fromkeys(lent_words(scenario).values()))


def needs_this_process(scenario: Scenario) -> bool:
    """Tell whether a scenario names what another process may know nothing of: what was registered or given here."""
    return bool(own_words(scenario) or scenario.network.modules or scenario.reading.network)


def require_own(scenario: Scenario, able: Capabilities) -> None:
    """Raise `UsageError`, at its key, for a word that nothing is registered by or that a backend does not run."""
    name = scenario.backend.name
    functions = [i for i, layer in enumerate(scenario.network.layers or ()) if layer.function is not None]
    if functions and not takes_functions(able):
        others = " or ".join(others_that(name, takes_functions)) or "jax"
        where = scenario.where(f"network.layers[{functions[0]}].function")
        raise UsageError(f"{where}: backend '{name}' takes no functions as layers; use the backend {others}")
    for key, kind, word in own_words(scenario):
        with named(scenario, key):
            thing = find(kind, word)
            if kind == "activation":
                require_activation(f"{kind} '{word}'", thing)
            if kind not in (*able.own, "dataset"):
                able_too = " or ".join(others_that(name, lambda able, kind=kind: kind in able.own))
                raise UsageError(
                    f"backend '{name}' runs what it has kernels for, and not {kind} '{word}', which does not ship; "
                    f"use the backend {able_too}"
                )


def require_lent(scenario: Scenario, able: Capabilities) -> None:
    """Raise `UsageError`, at its key, for a word of a package whose things a backend does not take."""
    name = scenario.backend.name
    for (key, kind, word), package in lent_words(scenario).items():
        if package not in able.lenders:
            others = " or ".join(others_that(name, lambda able, package=package: package in able.lenders)) or "jax"
            raise UsageError(
                f"{scenario.where(key)}: backend '{name}' takes no {kind} of {package}, and so not '{word}'; use the "
                f"backend {others}"
            )


def origins(scenario: Scenario) -> str:
    """Return where the things of a scenario come from that do not ship, in words that a trace keeps."""
    found = ((word, origin_of(find(word.kind, word.word))) for word in own_words(scenario))
    return "; ".join(f"{each.kind} {each.word} = {origin.module}:{origin.qualname}" for each, origin in found)


def require_known(scenario: Scenario, recorded: str) -> None:
    """Raise `UsageError` for a word of a recorded scenario that nothing is registered by here.

    `recorded` is what `origins` gave; the line says what to import.
    """
    there = {each.partition(" = ")[0]: each.partition(" = ")[2] for each in recorded.split("; ")}
    for key, kind, word in unknown_words(scenario):
        module, _, qualname = there.get(f"{kind} {word}", "").partition(":")
        script = module in ("", "__main__")
        made = f" ({qualname} of {'a script' if script else module})" if qualname else ""
        fix = "register it first, in Python" if script else f"import that module first, or allow it: --allow {module}"
        raise UsageError(f"{scenario.where(key)}: {kind} '{word}'{made} is not registered here; {fix}")


def made(scenario: Scenario, own: OwnWord, table: Any, given: Mapping[str, Any]) -> Any:
    """Return an object of a registered class, called with those words of a scenario's table that it takes.

    `given` goes before the words, and the defaults of the class before those of the table. Raises `UsageError`, at the
    key, for a class that takes something else.
    """
    name, unused = own.key.partition(".")[0], unused_keys(scenario)
    with named(scenario, own.key):
        thing = find(own.kind, own.word)
        takes = inspect.signature(thing).parameters
        known = [word for word in takes if word in type(table).model_fields]
        words = {
            word: getattr(table, word)
            for word in known
            if f"{name}.{word}" not in unused or takes[word].default is inspect.Parameter.empty
        } | dict(given)
        missing = [word for word, each in takes.items() if word not in words and each.default is each.empty]
        if missing:
            raise UsageError(
                f"{own.kind} '{own.word}': {thing.__name__} takes {missing[0]}, of which a scenario says nothing; "
                "give it a default"
            )
    if (key := ignored_key(scenario, own.key)) is not None:
        raise UsageError(
            f"{scenario.where(key)}: {key} is not used by {own.kind} '{own.word}' ({thing.__name__}), which takes "
            f"{', '.join(takes) or 'no words'}; remove it"
        )
    found = thing(**{word: value for word, value in words.items() if word in takes})
    with named(scenario, own.key):
        TRIALS[own.kind](f"{own.kind} '{own.word}'", found)
    return found


def _words(scenario: Scenario) -> Iterator[OwnWord]:
    network, inference = scenario.network, scenario.inference
    if network.activation is not None:
        yield OwnWord("network.activation", "activation", network.activation)
    if scenario.amortiser is not None and scenario.amortiser.activation is not None:
        yield OwnWord("amortiser.activation", "activation", scenario.amortiser.activation)
    for i, layer in enumerate(network.layers or ()):
        if layer.activation is not None:
            yield OwnWord(f"network.layers[{i}].activation", "activation", layer.activation)
        if layer.part is not None:
            yield OwnWord(f"network.layers[{i}].part", "part", layer.part)
    yield OwnWord("data.name", "dataset", scenario.data.name)
    yield OwnWord("inference.method", "inference", inference.method)
    yield OwnWord("inference.optimizer", "stepper", inference.optimizer)
    yield OwnWord("inference.loss", "loss", inference.loss)
    if scenario.learning is not None:
        yield OwnWord("learning.optimizer", "optimizer", scenario.learning.optimizer)
