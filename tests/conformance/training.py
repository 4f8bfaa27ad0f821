"""Learners, tasks and comparisons for tests of training on a backend against numpy."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pcsim_numpy.trainer import NumpyTrainer

from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    FixedPredictions,
    Halving,
    IncrementStateOptimization,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.learning import MQ, SGD, Adam, AdamW, AfterEveryStep, AtTheEnd, Learner, Momentum
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.energy import Energy
from tests.learning.test_learner import learner_on
from tests.support.cases import make_case

SAMPLES, BATCH, UPDATES = 24, 6, 5
RATES = np.linspace(0.02, 0.01, UPDATES)
BATCHES = np.random.default_rng(3).permuted(np.tile(np.arange(SAMPLES), (UPDATES, 1)), axis=1)[:, :BATCH]


def halved_errors(energy: Energy) -> Halving:
    return Halving(ErrorOptimization(energy))


LEARNERS: dict[str, Any] = {
    "state": (StateOptimization, AtTheEnd()),
    "error": (ErrorOptimization, AtTheEnd()),
    "increment": (IncrementStateOptimization, AtTheEnd()),
    "fixed": (FixedPredictions, AtTheEnd()),
    "sequential": (SequentialStateOptimization, AtTheEnd()),
    "incremental": (StateOptimization, AfterEveryStep()),
    "incremental-sequential": (SequentialStateOptimization, AfterEveryStep()),
    "backprop": (Backprop, AtTheEnd()),
    "halving": (halved_errors, AtTheEnd()),
}
OPTIMIZERS = {"sgd": SGD(1e-3), "momentum": Momentum(0.9), "adam": Adam(), "adamw": AdamW(weight_decay=0.1), "mq": MQ()}


def make(name: str, precision: str, **options: Any) -> TrainingTask:
    inference, rule = LEARNERS[name]
    case = make_case("gelu", loss="cross-entropy", batch=SAMPLES)
    learner: Learner = learner_on(inference(case.energy), rule=rule, **({"optimizer": Adam()} | options))
    return TrainingTask(learner, case.parameters, case.x, case.y, precision)


def leaves(tree: Any) -> Iterator[NDArray[Any]]:
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, tuple):
        for part in tree:
            yield from leaves(part)
    elif tree is not None:
        yield np.asarray(tree)


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    for a, b in zip(leaves(ours), leaves(theirs), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        wide, other = a.astype(np.float64), b.astype(np.float64)
        assert (np.abs(wide - other) <= tolerance * (np.abs(other) + 1e-3 * np.abs(other).max(initial=0))).all()


def assert_parity(ours: Trainer, task: TrainingTask, tolerance: float) -> None:
    """Assert that a trainer does what numpy's does; the tolerance is of |a| + 10⁻³ max|a|."""
    theirs = NumpyTrainer(task)
    assert_close(ours.run(BATCHES, RATES), theirs.run(BATCHES, RATES), tolerance)
    assert_close(ours.snapshot(), theirs.snapshot(), tolerance)
    assert_close(ours.evaluate(task.x, task.y), theirs.evaluate(task.x, task.y), tolerance)
    assert_close(ours.diagnose(BATCHES[0], 0.1), theirs.diagnose(BATCHES[0], 0.1), tolerance)
