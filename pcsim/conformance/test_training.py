"""Training against numpy: the same updates, and the way back to a snapshot, bit for bit."""

import numpy as np
import pytest

from pcsim.conformance.cases import reference
from pcsim.conformance.subject import Subject
from pcsim.conformance.trainings import (
    BATCHES,
    RATES,
    TOLERANCE,
    TrainingCase,
    assert_same_bits,
    assert_trees_close,
    leaves,
    training_task,
    variant_task,
)
from pcsim.learning.trainer import AdjustableTrainer, Trainer, TrainingTask, Updates


def test_updates_agree_with_numpys(subject: Subject, training_case: TrainingCase) -> None:
    task = training_task(training_case)
    ours = subject.trainer(task)
    if training_case.precision not in TOLERANCE:
        _assert_learns(ours, task)
        return
    theirs = reference().trainer(task)
    tolerance = TOLERANCE[training_case.precision]
    first = ours.run(BATCHES[:3], RATES[:3])
    assert_trees_close("updates", first, theirs.run(BATCHES[:3], RATES[:3]), tolerance)
    snapshot = ours.snapshot()
    kept = tuple(array.copy() for array in leaves(snapshot))
    found = ours.diagnose(BATCHES[3], RATES[3])
    assert_trees_close("diagnosis", found, theirs.diagnose(BATCHES[3], RATES[3]), tolerance)
    assert_same_bits("a diagnosis changes", ours.snapshot(), snapshot)
    last = ours.run(BATCHES[3:], RATES[3:])
    assert_trees_close("updates", last, theirs.run(BATCHES[3:], RATES[3:]), tolerance)
    assert_trees_close("snapshot", ours.snapshot(), theirs.snapshot(), tolerance)
    answers = ours.evaluate(task.x, task.y)
    assert_trees_close("evaluation", answers, theirs.evaluate(task.x, task.y), tolerance)
    assert_same_bits("a snapshot changes as training goes on", snapshot, kept)
    again = subject.trainer(task)
    again.restore(snapshot)
    assert_same_bits("updates after a snapshot", again.run(BATCHES[3:], RATES[3:]), last)
    assert_same_bits("snapshot after a snapshot", again.snapshot(), ours.snapshot())


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_what_is_asked_beside_agrees_with_numpy_or_is_refused(
    subject: Subject, training_variant: str, precision: str
) -> None:
    if precision not in subject.able.precisions:
        pytest.skip(f"'{subject.name}' does not claim {precision}")
    task = variant_task(training_variant, precision)
    ours, theirs = subject.trainer(task), reference().trainer(task)
    tolerance = TOLERANCE[precision]
    assert_trees_close("updates", ours.run(BATCHES, RATES), theirs.run(BATCHES, RATES), tolerance)
    assert_trees_close("snapshot", ours.snapshot(), theirs.snapshot(), tolerance)
    assert_trees_close("evaluation", ours.evaluate(task.x, task.y), theirs.evaluate(task.x, task.y), tolerance)


def test_another_step_size_holds_from_an_update_on(subject: Subject, training_case: TrainingCase) -> None:
    if training_case.precision != "float64" or training_case.learner == "backprop":
        pytest.skip("in float64, and where inference has a step size")
    task = training_task(training_case)
    ours, theirs = subject.trainer(task), reference().trainer(task)
    if not isinstance(ours, AdjustableTrainer):
        pytest.skip(f"'{subject.name}' trains with one step size")
    for trainer in (ours, theirs):
        trainer.run(BATCHES[:3], RATES[:3])
        trainer.set_step_size(0.02)
    tolerance = TOLERANCE[training_case.precision]
    assert_trees_close("updates", ours.run(BATCHES[3:], RATES[3:]), theirs.run(BATCHES[3:], RATES[3:]), tolerance)


def _assert_learns(trainer: Trainer, task: TrainingTask) -> None:
    """Assert that a trainer learns in a precision that numpy does not train in, and goes on from snapshots."""
    before = trainer.evaluate(task.x, task.y).losses.mean()
    many: Updates = trainer.run(np.tile(BATCHES, (8, 1)), np.tile(RATES, 8))
    assert np.isfinite(many.energy).all()
    assert trainer.evaluate(task.x, task.y).losses.mean() < before
    snapshot = trainer.snapshot()
    last = trainer.run(BATCHES, RATES)
    trainer.restore(snapshot)
    assert_same_bits("updates after a snapshot", trainer.run(BATCHES, RATES), last)
