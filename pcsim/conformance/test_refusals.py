"""Claims are words that scenarios know; what is not claimed is refused, and every limit in its words."""

import pytest

from pcsim.conformance.choice import CLAIMABLE, limits_met
from pcsim.conformance.subject import Subject
from pcsim.engine.backend import TrainingBackend
from pcsim.errors import UsageError
from pcsim.runs.simulation import prepare
from pcsim.scenario import read_scenario

ASKED = {
    "method": ("signal-decay", "inference.method"),
    "precision": ("signal-decay", "backend.precision"),
    "solver": ("gradient-flow", "inference.solver"),
    "rule": ("train-digits", "learning.rule"),
}
"""The scenario in which something is asked for, and its key."""


def test_claims_are_words_of_scenarios(subject: Subject) -> None:
    able = subject.able
    for what, words in CLAIMABLE.items():
        unknown = set(getattr(able, what)) - set(words)
        assert not unknown, f"'{subject.name}' claims {what} that no scenario can ask for: {', '.join(sorted(unknown))}"
    assert able.methods
    assert able.precisions
    assert able.layers
    assert able.device
    if able.rules:
        assert isinstance(subject.backend, TrainingBackend), f"'{subject.name}' claims rules, and has no trainer"


def test_what_is_not_claimed_is_refused(subject: Subject, unclaimed: tuple[str, str]) -> None:
    what, word = unclaimed
    scenario, key = ASKED[what]
    changes = [f'{key}="{word}"', f'backend.name="{subject.name}"']
    if what != "precision":
        changes.append(f'backend.precision="{subject.precision}"')
    if word == "euler":
        changes.append("inference.step_size=0.1")
    if word == "bidirectional":
        changes.append("inference.loss=squared-error")
    if what == "rule":
        method = {"backprop": "backprop", "incremental": "state"}.get(word, subject.able.methods[0])
        changes.append(f'inference.method="{method}"')
    with pytest.raises(UsageError, match=rf"has no ({what}|method) '{word}'|has no continuous time"):
        prepare(read_scenario(scenario, changes))


def test_every_limit_is_refused_in_its_words(subject: Subject, limit: str) -> None:
    if limit not in limits_met(subject):
        pytest.skip(f"nothing that this suite asks for meets the limit: {limit}")
