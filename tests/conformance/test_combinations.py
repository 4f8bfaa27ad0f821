"""Every backend against numpy, combination by combination, and the words in which it refuses the rest.

A backend that others can do without is one entry in `CHECKED` and one in `UNSUPPORTED`.
"""

from collections.abc import Callable
from itertools import combinations, product

import pytest

from pcsim.cli import call
from pcsim.engine.backend import Backend
from pcsim.engine.registry import installed_backends, load_backend
from tests.conformance.agreement import assert_parity, settle_on
from tests.conformance.combinations import COVERED, FACTORS, FLOWS, Combination, flow_of, sample, task_of, whole
from tests.support.cases import settle

# JAX compiles a combination for half a second or more: there any two words meet once, and not all five in every way.
CHECKED: dict[str, Callable[[], list[Combination]]] = {"cupy": whole, "jax": sample, "numba": whole}
HALVED = "inference.step_halving=true"
DESCENT = ("signal-decay", "inference.steps=3", "data.batch=2")
FLOW = ("gradient-flow", "data.batch=2")
UNSUPPORTED: dict[str, list[tuple[str, ...]]] = {
    "cupy": [
        (*DESCENT, HALVED),
        ("complete-digits",),
        (*DESCENT, "backend.precision=bfloat16", "inference.rounding=stochastic"),
        ("train-digits", "backend.precision=bfloat16"),
    ],
    "exact": [(*DESCENT, "backend.precision=exact", HALVED)],
    "jax": [
        (*DESCENT, "backend.precision=bfloat16", "inference.rounding=stochastic"),
        (*FLOW, "backend.precision=bfloat16"),
    ],
    "numba": [(*FLOW, "inference.step_size=0.1"), ("complete-digits",)],
    "numpy": [
        ("train-digits", "backend.precision=bfloat16"),
        (*FLOW, "backend.precision=bfloat16"),
        (*FLOW, "inference.step_size=0.1"),
    ],
}
"""For every one of a backend's `limits`, in order, a scenario that it refuses in these words."""


def usable(name: str) -> Backend:
    """Return a backend, or skip the test with the reason why there is none."""
    backend = load_backend(name)
    able = backend.capabilities()
    if able.problem is not None:
        pytest.skip(f"{name}: {able.problem}; {able.fix}")
    return backend


@pytest.mark.parametrize("method", FACTORS["method"])
@pytest.mark.parametrize("name", CHECKED)
def test_combinations_agree_with_numpy(name: str, method: str) -> None:
    backend = usable(name)
    for which in CHECKED[name]():
        if which.method == method:
            try:
                assert_parity(backend, task_of(which))
            except AssertionError as error:
                error.add_note(" ".join(which))
                raise


@pytest.mark.parametrize("method", FLOWS)
def test_flows_on_numba_are_numpys(method: str) -> None:
    backend = usable("numba")
    for activation, precision in product(FACTORS["activation"], FACTORS["precision"]):
        task = flow_of(method, activation, precision)
        (ours, rows), (theirs, reference) = settle_on(backend, task), settle(task)
        assert rows.energy is not None
        assert rows.energy.tobytes() == reference.energy.tobytes()
        for a, b in zip((*ours.states, *ours.errors), (*theirs.states, *theirs.errors), strict=True):
            assert a.dtype == precision
            assert a.tobytes() == b.tobytes()


def test_the_sample_has_every_pair_of_words() -> None:
    levels = [*FACTORS.values(), *COVERED.values()]
    for found in (sample(), whole()):
        for (f, one), (g, two) in combinations(enumerate(levels), 2):
            assert {(c[f], c[g]) for c in found} == set(product(one, two))
    assert len(whole()) == len(set(whole())) > 10 * len(sample())


@pytest.mark.parametrize("name", sorted(UNSUPPORTED))
def test_what_is_listed_as_unsupported_is_refused_in_these_words(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(str(tmp_path))
    for words, (scenario, *changes) in zip(usable(name).capabilities().limits, UNSUPPORTED[name], strict=True):
        overrides = [word for change in (f"backend.name={name}", *changes) for word in ("--set", change)]
        assert call(["run", scenario, *overrides]) == 2
        assert words in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("name", installed_backends())
def test_every_backend_has_its_entries(name: str) -> None:
    assert name in UNSUPPORTED
    assert name in CHECKED or name in ("numpy", "exact")
