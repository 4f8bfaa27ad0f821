"""The search for equilibria on JAX: which samples are evaluated together is no matter of time."""

from typing import Any

import numpy as np
import pytest
from jaxtyping import Float64
from numpy.typing import NDArray
from pcsim_jax import JaxBackend, equilibrium
from pcsim_numpy import NumpyBackend

from pcsim.engine.backend import Backend, Equilibria
from pcsim.inference import Equilibrium
from pcsim.trace import Block
from tests.support.cases import join, make_case, make_task
from tests.support.compilations import compilations

Found = tuple[Equilibria, Float64[NDArray[Any], "step layer"]]


def search(backend: Backend) -> Found:
    case = make_case("gelu", batch=4, gain=1.6, widths=(5, 6, 3))
    blocks: list[Block] = []
    task = make_task(case, Equilibrium(case.energy, 1e-10, 500), steps=500)
    settled, energy = backend.settle(task, blocks.append, lambda _: False), join(blocks).energy
    assert settled.equilibria is not None
    assert energy is not None
    return settled.equilibria, energy


def assert_equal(one: Found, other: Found) -> None:
    for mine, theirs in zip((*vars(one[0]).values(), one[1]), (*vars(other[0]).values(), other[1]), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.exhaustive
def test_a_second_search_finds_the_same_bits_with_what_the_first_compiled() -> None:
    first = search(JaxBackend())
    with compilations() as compiled:
        second = search(JaxBackend())
    assert_equal(first, second)
    assert not compiled


@pytest.mark.exhaustive
def test_samples_leave_the_batch_at_the_same_evaluations_whatever_the_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equilibrium, "COMPILING", (0.0, 0.0))
    found: list[Found] = []
    for seconds in (0.0, 1e9):
        monkeypatch.setattr(equilibrium, "SECONDS", seconds)
        found.append(search(JaxBackend()))
    assert_equal(*found)
    (mine, energy), (theirs, expected) = found[0], search(NumpyBackend())
    assert mine.converged.all()
    np.testing.assert_allclose(energy[-1], expected[-1], rtol=1e-9)
    np.testing.assert_allclose(mine.evaluations, theirs.evaluations, rtol=0.2)
