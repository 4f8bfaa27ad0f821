"""Training on JAX against numpy: the same updates, and on both the way back to a snapshot, bit for bit."""

from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest
from numpy.typing import NDArray
from pcsim_jax.trainer import JaxTrainer
from pcsim_numpy.trainer import NumpyTrainer

import pcsim
from pcsim.errors import Interrupted
from pcsim.inference import Backprop, ErrorOptimization, IncrementStateOptimization, StateOptimization
from pcsim.learning import MQ, SGD, Adam, AdamW, AfterEveryStep, AtTheEnd, Learner, Momentum, PerLayer
from pcsim.learning.diagnosis import Diagnosis
from pcsim.learning.trainer import TrainingTask, Updates
from pcsim.recorded.verification import verify
from pcsim.scenario import read_scenario
from tests.support.cases import make_case
from tests.support.covering import covering, sampled
from tests.support.learning import learner_on
from tests.support.training_files import assert_same_bits, interrupting

SAMPLES, BATCH, UPDATES = 24, 6, 5
RATES = np.linspace(0.02, 0.01, UPDATES)
BATCHES = np.random.default_rng(3).permuted(np.tile(np.arange(SAMPLES), (UPDATES, 1)), axis=1)[:, :BATCH]
# Of |a| + 10⁻³ max|a|.
TOLERANCE = {"float64": 1e-10, "float32": 1e-3}
LEARNERS: dict[str, Any] = {
    "state": (StateOptimization, AtTheEnd()),
    "increment": (IncrementStateOptimization, AtTheEnd()),
    "error": (ErrorOptimization, AtTheEnd()),
    "incremental": (StateOptimization, AfterEveryStep()),
    "backprop": (Backprop, AtTheEnd()),
}
OPTIMIZERS = {"sgd": SGD(1e-3), "momentum": Momentum(0.9), "adam": Adam(), "adamw": AdamW(weight_decay=0.1), "mq": MQ()}
TRAINERS = {"numpy": NumpyTrainer, "jax": JaxTrainer}


def make(name: str, precision: str, **options: Any) -> TrainingTask:
    inference, rule = LEARNERS[name]
    case = make_case("gelu", loss="cross-entropy", batch=SAMPLES)
    learner: Learner = learner_on(inference(case.energy), rule=rule, **({"optimizer": Adam()} | options))
    return TrainingTask(learner, case.parameters, case.x, case.y, precision)


def wide(array: Any) -> NDArray[np.float64]:
    return np.asarray(array).astype(np.float64)


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    mine, others = jax.tree.leaves(ours), jax.tree.leaves(theirs)
    for a, b in zip(map(wide, mine), map(wide, others), strict=True):
        assert a.shape == b.shape
        assert (np.abs(a - b) <= tolerance * (np.abs(b) + 1e-3 * np.abs(b).max(initial=0))).all()


def assert_same(ours: Any, theirs: Any) -> None:
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


def assert_parity(task: TrainingTask) -> None:
    ours, theirs = JaxTrainer(task), NumpyTrainer(task)
    tolerance = TOLERANCE[task.precision]
    rows, reference = ours.run(BATCHES, RATES), theirs.run(BATCHES, RATES)
    assert_close(rows, reference, tolerance)
    np.testing.assert_array_equal(rows.signal, reference.signal)
    assert [array.dtype for array in rows] == [array.dtype for array in reference]
    snapshot, other = ours.snapshot(), theirs.snapshot()
    assert snapshot.updates == other.updates == UPDATES
    assert_close(snapshot.parameters, other.parameters, tolerance)
    assert jax.tree.structure(snapshot.memory) == jax.tree.structure(other.memory)
    for a, b in zip(jax.tree.leaves(snapshot.parameters), jax.tree.leaves(other.parameters), strict=True):
        assert a.dtype == b.dtype
    assert_close(ours.evaluate(task.x, task.y), theirs.evaluate(task.x, task.y), tolerance)


@covering(name=list(LEARNERS), precision=["float64", "float32"])
def test_updates_agree_with_numpys(name: str, precision: str) -> None:
    # In single precision Adam divides by differences that rounding decides: momentum is what can be compared.
    assert_parity(make(name, precision, **({} if precision == "float64" else {"optimizer": Momentum(0.9)})))


@pytest.mark.parametrize("optimizer", sampled(list(OPTIMIZERS), ["adamw", "mq"]))
def test_optimizers_agree_with_numpys(optimizer: str) -> None:
    assert_parity(make("state", "float64", optimizer=PerLayer(OPTIMIZERS[optimizer]), clip=0.5))


@pytest.mark.parametrize(
    "way",
    sampled([f"{name} {p}" for name in LEARNERS for p in TOLERANCE], ["state float64", "incremental float32"]),
)
def test_diagnoses_agree_with_numpys_and_change_nothing(way: str) -> None:
    name, precision = way.split()
    task = make(name, precision, optimizer=Momentum(0.9))
    found: list[Diagnosis] = []
    for trainer in (kind(task) for kind in TRAINERS.values()):
        trainer.run(BATCHES[:2], RATES[:2])
        before = jax.tree.map(np.copy, trainer.snapshot())
        found.append(trainer.diagnose(BATCHES[2], RATES[2]))
        assert_same(trainer.snapshot(), before)
    assert_close(found[0], found[1], TOLERANCE[precision])
    assert {array.dtype.name for array in jax.tree.leaves(found)} == {"float64"}


@pytest.mark.exhaustive
def test_bfloat16_is_diagnosed() -> None:
    tasks = (make("error", precision, optimizer=Momentum(0.5)) for precision in ("bfloat16", "float64"))
    found, reference = (JaxTrainer(task).diagnose(BATCHES[0], 0.1).alignment for task in tasks)
    assert found is not None
    assert reference is not None
    # bfloat16 keeps 8 bits, and inference goes on for seven steps.
    np.testing.assert_allclose(found.cosine, reference.cosine, rtol=0.02)
    np.testing.assert_allclose(found.norm_ratio, reference.norm_ratio, rtol=0.1)


@covering(
    place=["numpy float32", "numpy float64", "jax float32", "jax float64", "jax bfloat16"], optimizer=list(OPTIMIZERS)
)
def test_a_snapshot_goes_on_to_the_same_bits(place: str, optimizer: str) -> None:
    backend, precision = place.split()
    task = make("error", precision, optimizer=OPTIMIZERS[optimizer])
    whole, first, second = (TRAINERS[backend](task) for _ in range(3))
    rows = whole.run(BATCHES, RATES)
    parts = [first.run(BATCHES[:2], RATES[:2])]
    snapshot = first.snapshot()
    kept = jax.tree.map(np.copy, snapshot)
    first.run(BATCHES[2:], RATES[2:])
    assert_same(snapshot, kept)
    second.restore(snapshot)
    parts.append(second.run(BATCHES[2:], RATES[2:]))
    assert_same(whole.snapshot(), second.snapshot())
    assert_same(whole.snapshot(), first.snapshot())
    assert_same(rows, Updates(*map(np.concatenate, zip(*parts, strict=True))))
    assert_same(whole.evaluate(task.x, task.y), second.evaluate(task.x, task.y))


def test_bfloat16_learns_and_keeps_its_type() -> None:
    task = make("error", "bfloat16", optimizer=Momentum(0.5))
    trainer = JaxTrainer(task)
    before = trainer.evaluate(task.x, task.y).losses.mean()
    trainer.run(np.tile(BATCHES, (8, 1)), np.full(8 * UPDATES, 0.05))
    assert trainer.evaluate(task.x, task.y).losses.mean() < 0.97 * before
    snapshot = trainer.snapshot()
    assert {array.dtype for array in jax.tree.leaves(snapshot.parameters)} == {np.dtype(ml_dtypes.bfloat16)}
    assert {array.dtype for array in jax.tree.leaves(snapshot.memory)} == {np.dtype(np.float32)}


def test_updates_below_half_a_unit_of_bfloat16_add_up() -> None:
    # Adam's steps of 1e-4 are a tenth of a unit in the last place of weights around 0.2.
    tasks = (make("error", precision, optimizer=Adam()) for precision in ("bfloat16", "float64"))
    batches, moved = np.tile(BATCHES, (20, 1)), list[Any]()
    for task in tasks:
        trainer = JaxTrainer(task)
        before = trainer.snapshot().parameters[1]["W"].astype(np.float64)
        trainer.run(batches, np.full(len(batches), 1e-4))
        moved.append(trainer.snapshot().parameters[1]["W"].astype(np.float64) - before)
    assert np.linalg.norm(moved[0] - moved[1]) < 0.2 * np.linalg.norm(moved[1])


def test_a_device_without_memory_is_a_memory_error(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = JaxTrainer(make("error", "float32"))

    def fail(*_: Any) -> None:
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory\nmore")

    monkeypatch.setattr("pcsim_jax.compiled.Compiler.call", fail)
    with pytest.raises(MemoryError, match=r"^RESOURCE_EXHAUSTED: out of memory$"):
        trainer.run(BATCHES, RATES)


@pytest.mark.parametrize("precision", sampled(["float32", "bfloat16"], ["bfloat16"]))
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
