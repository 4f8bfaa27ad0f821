"""Runs with noise in discrete steps: what their traces say, verified anywhere, broken off and resumed."""

import numpy as np
import pytest

import pcsim
from pcsim.datasets import load_dataset
from pcsim.errors import Interrupted, UsageError
from pcsim.report.findings import findings
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, UPDATES, assert_same_bits, interrupting

NOISE = "inference.noise=0.01"


def test_a_run_says_its_temperature_and_is_verified_to_the_bit(files: Files) -> None:
    with pcsim.run(files.read(TEXT, NOISE)) as trace:
        assert trace.attributes["noise"] == 0.01
        assert findings(trace) == [
            "The temperature is 0.01: noise moves every layer from the first step on, and arrival times say nothing."
        ]
        result = pcsim.verify(trace)
        assert (result.agrees, result.tolerance) == (True, 0.0)
        assert pcsim.verify(trace, precision="float64").agrees


@pytest.mark.exhaustive
@pytest.mark.xla
def test_another_backend_draws_the_same(files: Files) -> None:
    words = NOISE, 'backend.precision="float64"'
    with pcsim.run(files.read(TEXT, *words)) as trace, pcsim.run(files.read(TEXT, *words, 'backend.name="jax"')) as jax:
        np.testing.assert_allclose(trace.energy, jax.energy, rtol=1e-12)
        assert pcsim.verify(trace, backend="jax").agrees
        assert pcsim.verify(jax, backend="numpy").agrees


def test_no_noise_is_the_run_without_the_word(files: Files) -> None:
    with pcsim.run(files.read(TEXT, "inference.noise=0")) as none, pcsim.run(files.read(TEXT)) as plain:
        assert none.energy.tobytes() == plain.energy.tobytes()
        assert "noise" not in none.attributes


def test_an_interrupted_training_goes_on_to_the_same_bits(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pcsim.learning.training.SECONDS", 0.0)  # a look after every update
    scenario = files.read(TRAINING, NOISE)
    pcsim.run(scenario, path="whole.h5").close()
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting(2 * UPDATES + 1))
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")


def test_a_narrow_format_is_refused(files: Files) -> None:
    with pytest.raises(UsageError, match="numpy draws noise in float32 and float64 alone; use one of these"):
        pcsim.run(files.read(TEXT, NOISE, 'backend.precision="float16"'))


VARIANCE = """
[network]
widths = [1, 1, 1]
activation = "linear"
[data]
name = "gaussian-line"
slope = 0.0
noise = 2.236
samples = 4096
[inference]
method = "state"
loss = "squared-error"
steps = 40
step_size = 0.2
[learning]
optimizer = "sgd"
lr = 0.03
batch = 256
epochs = 60
schedule = { kind = "cosine" }
[backend]
name = "jax"
precision = "float64"
"""


@pytest.mark.exhaustive
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_samples_learn_the_variance_of_the_data(temperature: float, files: Files) -> None:
    """With H = 1 + w² a sample has mean w y/H and variance T/(H (1 − λH/2)): w rests where H (T + λσ²/2) = σ²."""
    scenario = files.read(VARIANCE, f"inference.noise={temperature}")
    variance = np.var(load_dataset("gaussian-line", seed=0, samples=4096, slope=0.0, noise=2.236).y)
    with pcsim.run(scenario) as trace:
        learned = 1.0 + trace.array("final/network/W_1").item() ** 2
    assert learned == pytest.approx(variance / (temperature + 0.1 * variance), rel=0.02)
    # Without samples no variance is large enough but for the step size: 1 + w² goes to 2/λ.
    with pcsim.run(files.read(VARIANCE)) as trace:
        assert 1.0 + trace.array("final/network/W_1").item() ** 2 > 9.5
