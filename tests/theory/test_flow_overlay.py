"""Theory beside traces in continuous time."""

import numpy as np
import pytest

from pcsim.errors import UsageError
from pcsim.theory import log_poisson_profile
from pcsim.theory.overlay import EXACT, FIXED_LIMIT, LIMIT, theory_of
from tests.support.flow_files import NOISE, run
from tests.support.scenario_files import Files

LINEAR = ("network.activation=linear", "inference.solver=dopri8", "inference.rtol=1e-9", "inference.atol=1e-12")


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("inference.form=increment",),
        ("inference.start=normal", "network.precisions=[1.0, 0.5, 2.0]"),
        ("network.activity_decay=0.1", "network.skip=2", "inference.clamp=soft"),
    ],
    ids=str,
)
def test_a_deep_linear_network_gets_its_exact_flow(files: Files, overrides: tuple[str, ...]) -> None:
    with run(files, *LINEAR, *overrides) as trace:
        overlay = theory_of(trace)
        assert overlay.label == EXACT
        told = np.isfinite(overlay.energy)
        assert told[-1].all()
        np.testing.assert_allclose(overlay.energy[told], trace.energy[told], rtol=1e-6)


def test_other_networks_get_the_limit_of_the_signal_profile(files: Files) -> None:
    with run(files, "data.batch=1") as trace:
        overlay = theory_of(trace)
        assert trace.grad_norm is not None
        expected = 0.5 * trace.grad_norm[0, -1] ** 2 * np.exp(2 * log_poisson_profile(trace.steps, 2))
    assert overlay.label == LIMIT
    np.testing.assert_allclose(overlay.energy[:, 1], expected, rtol=1e-12)
    with run(files, "inference.predictions=fixed") as trace:
        assert theory_of(trace).label == FIXED_LIMIT


@pytest.mark.parametrize(
    ("overrides", "words"),
    [(NOISE, "no theory for a run with noise = 0.01"), (("inference.method=error",), 'method = "error"')],
)
def test_other_flows_have_no_theory(files: Files, overrides: tuple[str, ...], words: str) -> None:
    with run(files, *overrides) as trace, pytest.raises(UsageError, match=words):
        theory_of(trace)


def test_theory_needs_no_backend_with_the_solver_of_the_trace(files: Files) -> None:
    with run(files) as trace:
        text = trace.provenance["scenario"].replace('"dopri5"', '"tsit5"')
        trace.file["provenance"].attrs["scenario"] = text
        assert theory_of(trace).label == LIMIT
