"""Networks of listed layers in training: norms, resumption, verification, and every backend alike."""

from pathlib import Path

import numpy as np
import pytest

import pcsim
from pcsim.errors import Interrupted
from pcsim.recorded.verification import verify
from tests.support.images import LEARNING, WITH_NORMS
from tests.support.scenario_files import Files
from tests.support.training_files import assert_same_bits, interrupting

FEW = ["data.samples=48", "inference.steps=2"]
LIVE = ('norm = "batch"', 'norm = { kind = "batch", statistics = "live" }')


@pytest.mark.exhaustive  # XLA compiles convolutions for seconds.
def test_updates_are_the_same_on_every_backend(files: Files) -> None:
    text = WITH_NORMS.replace(*LIVE, 1)
    scenario = files.read(text + LEARNING, *FEW, "inference.method=error", "learning.epochs=1")
    with pcsim.run(scenario) as ours, pcsim.run(scenario, backend="jax") as theirs:
        for name, array in ours.trained.items():
            np.testing.assert_allclose(theirs.trained[name], array, rtol=0, atol=1e-7 * np.abs(array).max())
        moved = [name for name, array in ours.trained.items() if (array != ours.network[name]).any()]
        assert set(moved) == set(ours.trained)


def test_running_statistics_are_those_of_the_batches(files: Files) -> None:
    words = ["learning.epochs=1", "data.samples=16", "learning.shuffle=false", "learning.lr=1e-12"]
    with pcsim.run(files.read(WITH_NORMS + LEARNING, *words)) as trace:
        before, after = trace.network, trace.trained
        for name in ("mean_0", "variance_0", "Smean_4"):
            start = 0.0 if "mean" in name else 1.0
            assert (before[name] == start).all()
            assert (after[name] != start).any()


def test_training_is_resumed_to_the_same_bits_and_verified(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcsim.learning.training.SECONDS", 0.0)  # a look after every update
    scenario = files.read(WITH_NORMS + LEARNING, *FEW)
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path=Path("s.h5"), progress=interrupting(4))
    with pcsim.run(scenario, resume=Path("s.h5")) as trace:
        assert trace.status == "complete"
        found = verify(trace)
        assert (found.agrees, found.tolerance) == (True, 0.0)
    assert_same_bits(Path("s.h5"), "whole.h5")


@pytest.mark.exhaustive
def test_the_shipped_network_learns_the_digits() -> None:
    with pcsim.run(pcsim.read_scenario("train-digits-conv")) as trace:
        assert trace.training["test_accuracy"][-1] >= 0.985
