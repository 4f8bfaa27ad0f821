"""What a user's script brings: run, traced, verified, trained and resumed, on every backend that runs it."""

import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.errors import Interrupted, UsageError
from tests.support.covering import sampled
from tests.support.own import BLOCKS, defined, scenario_with
from tests.support.training_files import interrupting, learned

OWN: dict[str, dict[str, Any]] = {
    "silu": {"network": {"activation": "silu"}},
    "divisive": {"between": {"part": "divisive", "options": {"sigma": 0.5}, "activation": "linear"}},
    "gains": {"between": {"part": "gains"}},
    "alternating": {"inference": {"method": "alternating"}},
    "nesterov": {"inference": {"optimizer": "nesterov", "momentum": 0.5}},
    "lion": {"learning": {"optimizer": "lion", "weight_decay": 0.01}},
    "pseudo-huber": {"inference": {"loss": "pseudo-huber"}},
}


def test_every_script_is_short() -> None:
    lengths = [len([line for line in block.splitlines() if line.strip()]) for block in BLOCKS]
    assert max(lengths) <= 15


TRAINED = {
    f"{name} {backend}": (name, backend) for name, backend in [*((name, "numpy") for name in OWN), ("lion", "jax")]
}


@pytest.mark.parametrize("run", sampled(TRAINED, ["gains numpy"]))
def test_it_is_trained_interrupted_resumed_and_verified(run: tuple[str, str], tmp_path: Path) -> None:
    name, backend = run
    defined(name)
    whole, broken = tmp_path / "whole.h5", tmp_path / "broken.h5"
    scenario = scenario_with(**OWN[name])
    pcsim.run(scenario, backend=backend, path=whole).close()
    with pytest.raises(Interrupted):
        pcsim.run(scenario, backend=backend, path=broken, progress=interrupting(5, signal.SIGINT))
    pcsim.run(scenario, backend=backend, resume=broken).close()
    assert learned(whole).keys() == learned(broken).keys()
    for path, array in learned(whole).items():
        np.testing.assert_array_equal(array, learned(broken)[path], err_msg=path)
    with pcsim.open_trace(whole) as trace:
        assert pcsim.verify(trace).tolerance == 0
        assert pcsim.verify(trace).agrees


@pytest.mark.parametrize("name", sampled(["silu", "gains", "alternating"], []))
def test_jax_and_numpy_make_the_same_of_it(name: str) -> None:
    defined(name)
    scenario = scenario_with(**OWN[name])
    scenario |= {"backend": {"precision": "float64"}}
    ours, theirs = (pcsim.run(scenario, backend=backend) for backend in ("numpy", "jax"))
    np.testing.assert_allclose(ours.energy, theirs.energy, rtol=1e-9, atol=1e-12)
    assert pcsim.verify(theirs).agrees
    assert pcsim.verify(theirs, backend="numpy").agrees


@pytest.mark.parametrize("name", OWN)
def test_a_backend_with_kernels_refuses_it_before_it_starts(name: str) -> None:
    defined(name)
    with pytest.raises(UsageError, match=rf"^given .*: backend 'numba' .* '{name}'"):
        pcsim.run(scenario_with(**OWN[name]), backend="numba")


def test_exact_arithmetic_runs_what_is_written_over_the_namespace() -> None:
    for name in ("silu", "nesterov"):
        defined(name)
    scenario: dict[str, Any] = {
        "backend": {"precision": "float64"},
        "network": {"widths": [1, 2, 2, 1], "activation": "silu"},
        "data": {"name": "gaussian-line", "batch": 2},
        "inference": {"method": "state", "loss": "squared-error", "steps": 3, "optimizer": "nesterov"},
    }
    exact, double = (
        pcsim.run(scenario, backend=name, precision=p) for name, p in (("exact", "exact"), ("numpy", None))
    )
    np.testing.assert_allclose(double.energy, exact.energy, rtol=1e-12)


def test_exact_arithmetic_runs_parts_in_the_increment_form_and_methods_that_count_steps() -> None:
    for name in ("divisive", "alternating"):
        defined(name)
    scenario: dict[str, Any] = {
        "backend": {"precision": "float64"},
        "network": {
            "input": 1,
            "activation": "tanh",
            "layers": [{"dense": 2}, {"part": "divisive"}, {"dense": 1, "activation": "linear"}],
        },
        "data": {"name": "gaussian-line", "batch": 2},
        "inference": {"method": "state", "form": "increment", "loss": "squared-error", "steps": 3},
    }
    alternating = {"method": "alternating", "loss": "squared-error", "steps": 4}
    for each in (scenario, {**scenario, "inference": alternating}):
        exact, double = (
            pcsim.run(each, backend=name, precision=p) for name, p in (("exact", "exact"), ("numpy", None))
        )
        assert (exact.energy[-1] > 0).all()
        np.testing.assert_allclose(double.energy, exact.energy, rtol=1e-9)


def test_data_of_a_function_are_learned_from_and_known_again() -> None:
    defined("spirals")
    scenario = {
        "network": {"widths": [2, 8, 2], "activation": "tanh"},
        "data": {"name": "spirals"},
        "inference": {"method": "error", "loss": "cross-entropy", "steps": 4},
        "learning": {"epochs": 2, "batch": 64},
    }
    trace = pcsim.run(scenario)
    assert trace.attributes["training_samples"] == 512
    assert pcsim.verify(trace).agrees
    assert pcsim.evaluate(trace).training.samples == 512
