"""What a scenario names that does not ship: which words those are, and the objects they stand for."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pcsim.assemble.roles import named
from pcsim.engine.backend import Capabilities
from pcsim.errors import UsageError
from pcsim.extensions import KINDS, find
from pcsim.scenario import Scenario


class OwnWord(NamedTuple):
    """A word of a user's own, its kind and the key it stands at."""

    key: str
    kind: str
    word: str


def own_words(scenario: Scenario) -> tuple[OwnWord, ...]:
    """Return the words of a scenario that do not ship, in its order, each once."""
    found = dict[tuple[str, str], OwnWord]()
    for each in _words(scenario):
        if each.word not in KINDS[each.kind].shipped:
            found.setdefault((each.kind, each.word), each)
    return tuple(found.values())


def require_own(scenario: Scenario, able: Capabilities) -> None:
    """Raise `UsageError`, at its key, for a word that nothing is registered by or that a backend does not run."""
    name = scenario.backend.name
    for key, kind, word in own_words(scenario):
        with named(scenario, key):
            find(kind, word)
            if kind not in (*able.own, "dataset"):
                raise UsageError(
                    f"backend '{name}' runs what it has kernels for, and not {kind} '{word}', which does not ship; "
                    'use backend = "numpy" or "jax"'
                )


def made(scenario: Scenario, own: OwnWord, table: Any, given: Mapping[str, Any]) -> Any:
    """Return an object of a registered class, called with those words of a scenario's table that it takes.

    `given` goes before the words. Raises `UsageError`, at the key, for a class that takes something else.
    """
    with named(scenario, own.key):
        thing = find(own.kind, own.word)
        takes = inspect.signature(thing).parameters
        words = {word: getattr(table, word) for word in takes if word in type(table).model_fields} | dict(given)
        missing = [word for word, each in takes.items() if word not in words and each.default is each.empty]
        if missing:
            raise UsageError(
                f"{own.kind} '{own.word}': {thing.__name__} takes {missing[0]}, of which a scenario says nothing; "
                "give it a default"
            )
        return thing(**{word: value for word, value in words.items() if word in takes})


def _words(scenario: Scenario) -> Iterator[OwnWord]:
    network, inference = scenario.network, scenario.inference
    if network.activation is not None:
        yield OwnWord("network.activation", "activation", network.activation)
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
