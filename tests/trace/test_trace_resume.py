"""Traces of training that go on: in their own place, elsewhere, over a kill, or not at all."""

import random
import time
from pathlib import Path
from typing import Any

import pytest

from pcsim.errors import UsageError
from pcsim.trace import Trace, TraceWriter, open_trace, resume
from tests.support.trace_samples import (
    TRAINING,
    append_epoch,
    beginning,
    create,
    final,
    killed_trace,
    layout,
    lines_until,
    start_child,
)
from tests.support.trained_traces import TRAINED, assert_trained, trained


def resumed(path: Path, old: Trace, updates: int, epochs: int, **options: Any) -> TraceWriter:
    of = options.pop("layout", TRAINED)
    return resume(path, old, beginning(of), updates=updates, epochs=epochs, **options)


def test_a_trace_is_resumed_in_its_own_place(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    killed_trace(path, 5, 0.05, mode="train")
    with open_trace(path) as old:
        writer = resumed(path, old, updates=10, epochs=2)
    assert (writer.rows, writer.updates, writer.epochs) == (0, 10, 2)
    with open_trace(path) as reader:
        assert reader.status == "running"
        assert_trained(reader, 10, 2)
    append_epoch(writer, 5)
    with writer.finish("complete", {}, final()) as trace:
        assert_trained(trace, 15, 3)
        assert trace.status == "complete"
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_a_resumed_trace_is_the_undisturbed_one(tmp_path: Path) -> None:
    """More rows than are searched and copied at once."""
    with create(tmp_path / "old.h5", TRAINED) as writer:
        for _ in range(3):
            append_epoch(writer, 4096)
        old = writer.finish("interrupted", {}, {})
    with old, resumed(tmp_path / "new.h5", old, updates=2 * 4096, epochs=2) as writer:
        append_epoch(writer, 4096)
        with writer.finish("complete", {}, {}) as new:
            assert old.training.keys() == new.training.keys()
            assert all(old.training[name].tobytes() == new.training[name].tobytes() for name in old.training)


def test_a_kill_while_resuming_leaves_a_whole_trace(tmp_path: Path) -> None:
    path = tmp_path / "run.h5"
    trained(path, epochs=1).close()
    draw, epochs = random.Random(7), 0
    for _ in range(4):
        process = start_child("resume", path, "5")
        lines_until(process.stdout, "safe")
        time.sleep(draw.uniform(0, 0.1))
        process.kill()
        process.communicate()
        with open_trace(path) as trace:
            epochs = trace.rows_by_clock["training/epoch"]
            assert_trained(trace, trace.rows_by_clock["training/update"], epochs)
    assert epochs > 4


@pytest.mark.parametrize(("other", "told"), [("layers", "its layers are"), ("untrained", "holds no training/update")])
def test_a_trace_that_cannot_be_resumed_is_left_alone(tmp_path: Path, other: str, told: str) -> None:
    path = tmp_path / "run.h5"
    if other == "layers":
        trained(path).close()
    else:
        create(path).finish("complete", {}, {}).close()
    before = path.read_bytes()
    of = layout(training=TRAINING, layer_names=("a", "b", "c")) if other == "layers" else TRAINED
    with open_trace(path) as old, pytest.raises(UsageError, match=told):
        resumed(path, old, 10, 2, layout=of)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]


def test_resuming_elsewhere_needs_force_for_another_file(tmp_path: Path) -> None:
    (tmp_path / "mine.h5").write_text("precious")
    with trained(tmp_path / "run.h5") as old:
        with pytest.raises(UsageError, match=r"mine\.h5 exists"):
            resumed(tmp_path / "mine.h5", old, 10, 2)
        resumed(tmp_path / "mine.h5", old, 10, 2, force=True).finish("complete", {}, {}).close()
        assert_trained(old, 15, 3)
    with open_trace(tmp_path / "mine.h5") as trace:
        assert_trained(trace, 10, 2)
