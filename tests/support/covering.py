"""Tests of many factors: every two words meet by default, every three under the marker `exhaustive`."""

from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any

import pytest

from pcsim.conformance.covering import covering as combinations

Words = Mapping[str, Any] | Iterable[Any]


def word(value: Any) -> str:
    return getattr(value, "__name__", None) or str(value)


def covering(**factors: Words) -> pytest.MarkDecorator:
    """Parametrize a test by factors: a mapping's keys are the names of its values in the test's name.

    Two factors have every pair in a product alone: of those, every word of the longer one is taken once by default.
    """
    named = [dict(f) if isinstance(f, Mapping) else {word(v): v for v in f} for f in factors.values()]
    levels = [list(words) for words in named]
    if len(levels) == 2:
        length = max(map(len, levels))
        chosen = {tuple(words[k % len(words)] for words in levels) for k in range(length)}
    else:
        chosen = set(combinations(levels, 2))
    every = product(*levels) if len(levels) < 4 else sorted(chosen | set(combinations(levels, 3)))
    sets = [
        pytest.param(
            *(values[w] for values, w in zip(named, words, strict=True)),
            id="-".join(words),
            marks=() if words in chosen else (pytest.mark.exhaustive,),
        )
        for words in every
    ]
    return pytest.mark.parametrize(list(factors), sets)


def sampled(values: Words, default: Iterable[str]) -> list[Any]:
    """Return values to parametrize by, of which those that are not named here are exhaustive."""
    named = dict(values) if isinstance(values, Mapping) else {word(v): v for v in values}
    kept = set(default)
    assert kept <= named.keys()
    marks = {w: () if w in kept else (pytest.mark.exhaustive,) for w in named}
    return [pytest.param(value, id=w, marks=marks[w]) for w, value in named.items()]
