"""Our own backends in the suite that any backend must pass: few combinations by default, more behind `exhaustive`."""

from typing import Any, NamedTuple

import pytest
from pcsim_cupy import CupyBackend
from pcsim_exact import ExactBackend
from pcsim_jax import JaxBackend
from pcsim_numba import NumbaBackend
from pcsim_numpy import NumpyBackend

from pcsim.conformance.choice import choose
from pcsim.conformance.covering import ALL, FEW, PAIRS, TRIPLES, WORDS
from pcsim.conformance.subject import Subject
from tests.backends.cupy.devices import needs_compiler
from tests.shim.device import CpuCupyBackend


class Examined(NamedTuple):
    """A backend, how much it does by default and behind the marker (of discrete steps, of the rest), and its marks.

    None stands for nothing.
    """

    subject: Subject
    usual: tuple[int, int | None]
    exhaustive: tuple[int, int]
    marks: tuple[Any, ...] = ()


# JAX compiles a combination for a second or more, and what it learns, searches and solves has tests of its own; more of
# it: pytest --pyargs pcsim.conformance --backend jax. numpy and exact run the core's own lines.
EXAMINED = [
    Examined(Subject("numpy", NumpyBackend()), (FEW, FEW), (PAIRS, WORDS)),
    Examined(Subject("exact", ExactBackend()), (FEW, FEW), (PAIRS, PAIRS)),
    Examined(Subject("jax", JaxBackend()), (FEW, None), (WORDS, FEW)),
    Examined(Subject("numba", NumbaBackend()), (PAIRS, WORDS), (TRIPLES, PAIRS)),
    Examined(Subject("cupy-on-the-cpu", CpuCupyBackend()), (FEW, FEW), (PAIRS, PAIRS), (needs_compiler,)),
    Examined(Subject("cupy", CupyBackend()), (PAIRS, PAIRS), (ALL, ALL), (pytest.mark.gpu,)),
]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Do each test with what our backends claim."""
    if "subject" not in metafunc.fixturenames:
        return
    found: dict[str, Any] = {}
    names: tuple[str, ...] = ("subject",)
    of_steps = "combination" in metafunc.fixturenames
    for subject, usual, exhaustive, marks in EXAMINED:
        problem = subject.able.problem
        for (steps, rest), more in ((usual, []), (exhaustive, [pytest.mark.exhaustive])):
            strength = steps if of_steps else rest
            if strength is None:
                continue
            names, chosen = choose(metafunc.fixturenames, subject, strength)
            if problem is not None:
                skipped = pytest.mark.skip(reason=f"{subject.name}: {problem}")
                absent = (subject, *(None for _ in names[1:]))
                found[subject.name] = pytest.param(*absent, id=subject.name, marks=[*marks, skipped])
                break
            for word, values in chosen.items():
                found.setdefault(word, pytest.param(*values, id=word, marks=[*marks, *more]))
    metafunc.parametrize(names, list(found.values()))
