"""What each test is done with on a backend, by the names of its arguments."""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any, get_args

from pcsim.conformance import descents, flows, trainings
from pcsim.conformance.covering import ALL, FEW, PAIRS, WORDS
from pcsim.conformance.subject import Subject
from pcsim.engine.backend import TrainingBackend
from pcsim.engine.registry import installed_backends
from pcsim.extensions.kinds import KINDS
from pcsim.scenario import LearningTable
from pcsim.scenario.arithmetic import NamedPrecision
from pcsim.scenario.flow import SOLVERS

CLAIMABLE: dict[str, tuple[str, ...]] = {
    "methods": KINDS["inference"].shipped,
    "precisions": get_args(NamedPrecision),
    "solvers": SOLVERS,
    "rules": get_args(LearningTable.model_fields["rule"].annotation),
}
"""The words that a scenario can ask for, by what claims them."""


def choose(arguments: Sequence[str], subject: Subject, strength: int) -> tuple[tuple[str, ...], dict[str, Any]]:
    """Return names of arguments, and their values by an id: the backend, and one of `CHOICES` if a test asks for it.

    `strength` says how many combinations: `FEW`, `WORDS`, `PAIRS` or `ALL`.
    """
    asked = [name for name in CHOICES if name in arguments]
    if not asked:
        return ("subject",), {subject.name: (subject,)}
    chosen = CHOICES[asked[0]](subject, strength)
    return ("subject", asked[0]), {f"{subject.name}-{word}": (subject, value) for word, value in chosen.items()}


def unclaimed(subject: Subject) -> dict[str, tuple[str, str]]:
    """Return the words that a backend does not claim; those of one that no scenario finds cannot be asked for."""
    if subject.name not in installed_backends():
        return {}
    return {
        f"{kind[:-1]}-{word}": (kind[:-1], word)
        for kind, words in CLAIMABLE.items()
        for word in words
        if word not in getattr(subject.able, kind)
    }


@cache
def limits_met(subject: Subject) -> set[str | None]:
    """Return the limits in whose words a backend refuses anything that this suite asks for."""
    backend, asked = subject.backend, list[Callable[[], object]]()
    for which in descents.variants_of(subject, ALL):
        seen, task = descents.seen_by(backend, which), descents.variant_task(which)
        asked.append(partial(seen.estimate, task))
    tasks = [descents.task_of(which) for which in descents.combinations_of(subject, PAIRS)]
    tasks += [flows.flow_task(which) for which in flows.flow_cases_of(subject, ALL)]
    asked += [partial(backend.estimate, task) for task in tasks]
    if isinstance(backend, TrainingBackend):
        found = [trainings.training_task(which) for which in trainings.training_cases_of(subject, PAIRS)]
        variants = trainings.training_variants_of(subject, ALL)
        found += [trainings.variant_task(what, subject.precision) for what in variants]
        asked += [partial(backend.trainer, task) for task in found]
    return {subject.limit_met(ask) for ask in asked}


def _words(words: Sequence[str]) -> dict[str, str]:
    return {word: word for word in words}


def _tuples(found: Sequence[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {"-".join(words): words for words in found}


def _forms(subject: Subject, strength: int) -> dict[str, str]:
    moving = [form for form in subject.forms if form != "backprop"]
    return _words(moving[:1] if strength in (FEW, WORDS) else moving)


def _solvers(subject: Subject, strength: int) -> dict[str, str]:
    solvers = subject.able.solvers if "state" in subject.able.methods else ()
    return _words(() if strength == FEW else solvers)


def _stop_rules(subject: Subject, strength: int) -> dict[str, Any]:
    found = list(descents.STOP_RULES.items()) if _forms(subject, strength) else []
    return dict(found[:1] if strength == FEW else found)


CHOICES: dict[str, Callable[[Subject, int], dict[str, Any]]] = {
    "combination": lambda subject, strength: _tuples(descents.combinations_of(subject, strength)),
    "variant": lambda subject, strength: _tuples(descents.variants_of(subject, strength)),
    "form": _forms,
    "rule": _stop_rules,
    "flow_case": lambda subject, strength: _tuples(flows.flow_cases_of(subject, strength)),
    "solver": _solvers,
    "training_case": lambda subject, strength: _tuples(trainings.training_cases_of(subject, strength)),
    "training_variant": lambda subject, strength: _words(trainings.training_variants_of(subject, strength)),
    "unclaimed": lambda subject, strength: unclaimed(subject),
    "limit": lambda subject, strength: {str(k): limit for k, limit in enumerate(subject.able.limits, 1)},
}
