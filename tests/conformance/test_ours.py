"""That the suite examines all our backends, meets all their limits, and combines what it should."""

from itertools import combinations, product

import pytest

from pcsim.conformance.choice import limits_met
from pcsim.conformance.covering import ALL, PAIRS, WORDS, covering
from pcsim.conformance.descents import combinations_of
from pcsim.conformance.subject import Subject
from pcsim.engine.registry import installed_backends
from tests.conformance.conftest import EXAMINED


def test_every_backend_of_ours_is_examined() -> None:
    ours = {name for name, point in installed_backends().items() if point.value.startswith(f"pcsim_{name}:")}
    assert ours <= {examined.subject.name for examined in EXAMINED}


def test_the_suite_meets_every_limit(subject: Subject) -> None:
    assert set(subject.able.limits) <= limits_met(subject)


@pytest.mark.parametrize("strength", [WORDS, PAIRS, ALL])
def test_words_meet_as_they_should(strength: int) -> None:
    levels = ["ab", "cdefg", "hij"]
    found = list(covering(levels, strength))
    assert len(found) == len(set(found)) == {WORDS: 5, PAIRS: 15, ALL: 30}[strength] or strength == PAIRS
    for factors in combinations(range(3), strength or 3):
        assert {tuple(c[f] for f in factors) for c in found} == set(product(*(levels[f] for f in factors)))


def test_few_combinations_stand_for_many() -> None:
    numba = next(examined.subject for examined in EXAMINED if examined.subject.name == "numba")
    assert len(combinations_of(numba, ALL)) > 10 * len(combinations_of(numba, PAIRS))
