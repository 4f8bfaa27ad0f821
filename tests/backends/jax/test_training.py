"""Training on JAX beyond the conformance suite: bfloat16, a full device, interruptions."""

from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from pcsim_jax.trainer import JaxTrainer

import pcsim
from pcsim.errors import Interrupted
from pcsim.inference import ErrorOptimization
from pcsim.learning import Adam, Momentum
from pcsim.learning.optimizers import Optimizer
from pcsim.learning.trainer import TrainingTask
from pcsim.recorded.verification import verify
from pcsim.scenario import read_scenario
from tests.support.cases import make_case
from tests.support.learning import learner_on
from tests.support.training_files import assert_same_bits, interrupting

SAMPLES, BATCH, UPDATES = 24, 6, 5
RATES = np.linspace(0.02, 0.01, UPDATES)
BATCHES = np.random.default_rng(3).permuted(np.tile(np.arange(SAMPLES), (UPDATES, 1)), axis=1)[:, :BATCH]


def make(precision: str, optimizer: Optimizer) -> TrainingTask:
    case = make_case("gelu", loss="cross-entropy", batch=SAMPLES)
    learner = learner_on(ErrorOptimization(case.energy), optimizer=optimizer)
    return TrainingTask(learner, case.parameters, case.x, case.y, precision)


@pytest.mark.exhaustive
def test_bfloat16_is_diagnosed() -> None:
    tasks = (make(precision, Momentum(0.5)) for precision in ("bfloat16", "float64"))
    found, reference = (JaxTrainer(task).diagnose(BATCHES[0], 0.1).alignment for task in tasks)
    assert found is not None
    assert reference is not None
    # bfloat16 keeps 8 bits, and inference goes on for seven steps.
    np.testing.assert_allclose(found.cosine, reference.cosine, rtol=0.02)
    np.testing.assert_allclose(found.norm_ratio, reference.norm_ratio, rtol=0.1)


@pytest.mark.exhaustive
def test_bfloat16_learns_and_keeps_its_type() -> None:
    task = make("bfloat16", Momentum(0.5))
    trainer = JaxTrainer(task)
    before = trainer.evaluate(task.x, task.y).losses.mean()
    trainer.run(np.tile(BATCHES, (8, 1)), np.full(8 * UPDATES, 0.05))
    assert trainer.evaluate(task.x, task.y).losses.mean() < 0.97 * before
    snapshot = trainer.snapshot()
    assert {array.dtype for array in jax.tree.leaves(snapshot.parameters)} == {np.dtype(ml_dtypes.bfloat16)}
    assert {array.dtype for array in jax.tree.leaves(snapshot.memory)} == {np.dtype(np.float32)}


@pytest.mark.exhaustive
def test_updates_below_half_a_unit_of_bfloat16_add_up() -> None:
    # Adam's steps of 1e-4 are a tenth of a unit in the last place of weights around 0.2.
    tasks = (make(precision, Adam()) for precision in ("bfloat16", "float64"))
    batches, moved = np.tile(BATCHES, (20, 1)), list[Any]()
    for task in tasks:
        trainer = JaxTrainer(task)
        before = trainer.snapshot().parameters[1]["W"].astype(np.float64)
        trainer.run(batches, np.full(len(batches), 1e-4))
        moved.append(trainer.snapshot().parameters[1]["W"].astype(np.float64) - before)
    assert np.linalg.norm(moved[0] - moved[1]) < 0.2 * np.linalg.norm(moved[1])


def test_a_device_without_memory_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = JaxTrainer(make("float32", Adam()))

    def fail(*_: Any) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory\nmore")

    monkeypatch.setattr("pcsim_jax.compiled.Compiler.call", fail)
    with pytest.raises(MemoryError, match=r"^RESOURCE_EXHAUSTED: out of memory$"):
        trainer.run(BATCHES, RATES)


@pytest.mark.exhaustive
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_an_interrupted_training_goes_on_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    monkeypatch.chdir(tmp_path)
    changes = ["network.widths=[64,12,10]", "learning.epochs=3", "inference.steps=2", "learning.lr=0.01"]
    scenario = read_scenario("train-digits", changes, backend="jax", precision=precision)
    with pcsim.run(scenario, path="whole.h5") as trace:
        assert trace.training["test_accuracy"][-1] > 0.8
    with pytest.raises(Interrupted):
        pcsim.run(scenario, path="s.h5", progress=interrupting(23))
    pcsim.run(scenario, resume="s.h5").close()
    assert_same_bits("s.h5", "whole.h5")
    with pcsim.open_trace("s.h5") as trace:
        found = verify(trace)
    assert found.agrees
    assert found.tolerance == 0
