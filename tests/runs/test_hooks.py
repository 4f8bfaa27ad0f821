"""Callbacks of a run: what they are told, how they end it, and what an error in one leaves behind."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.errors import Interrupted, UsageError
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, UPDATES, assert_same_bits


def ending(name: str, at: int) -> Callable[[Any], str | None]:
    """Return a callback that ends the run at a row."""

    def callback(rows: Any) -> str | None:
        return "stop" if np.max(rows.get(name, 0)) >= at else None

    return callback


def test_callbacks_are_told_what_the_trace_holds(files: Files):
    epochs, rows = list[Any](), list[Any]()
    with pcsim.run(files.read(TRAINING), on_epoch=epochs.append, on_rows=rows.append) as trace:
        assert trace.status == "complete"
        assert [row["epoch"] for row in epochs] == [1, 2, 3, 4]
        for name, values in trace.training.items():
            if name in epochs[0]:
                np.testing.assert_array_equal([row[name] for row in epochs], values)
        assert {"test_loss", "learning_rate", "cosine"} < epochs[0].keys()
        losses = np.concatenate([block["loss"] for block in rows if "update" in block])
        np.testing.assert_array_equal(losses, trace.training["loss"])
        inferred = [block for block in rows if "step" in block]
        np.testing.assert_array_equal(np.concatenate([block["energy"] for block in inferred]), trace.energy)


@pytest.mark.parametrize(
    ("hook", "name", "at"), [("on_epoch", "epoch", 2), ("on_rows", "update", UPDATES + 1)], ids=["epoch", "update"]
)
def test_stop_ends_training_with_the_epoch_and_keeps_the_network(files: Files, hook: str, name: str, at: int):
    with pcsim.run(files.read(TRAINING), path="s.h5", **{hook: ending(name, at)}) as trace:  # pyright: ignore[reportArgumentType]
        assert (trace.status, trace.attributes["epochs_trained"], trace.rows) == ("complete", 2, 3)
        assert trace.attributes["training_stopped_by"] == hook
        assert "stopped_by" not in trace.attributes
        assert pcsim.verify(trace).agrees
    pcsim.run(files.read(TRAINING, "learning.epochs=2"), path="two.h5").close()
    assert_same_bits("s.h5", "two.h5")


def test_stop_ends_inference_and_the_trace_is_whole(files: Files):
    with pcsim.run(files.read(TEXT, "inference.steps=2000"), on_rows=ending("step", 5)) as trace:
        assert (trace.status, trace.attributes["stopped_by"]) == ("complete", "on_rows")
        assert 5 <= trace.last_clock < 2000
        assert trace.attributes["steps_taken"] == trace.last_clock
        assert pcsim.verify(trace).agrees


def test_stop_in_the_last_epoch_changes_nothing(files: Files):
    with pcsim.run(files.read(TRAINING), on_epoch=ending("epoch", 4)) as trace:
        assert "training_stopped_by" not in trace.attributes


@pytest.mark.parametrize("hook", ["on_epoch", "on_rows"])
def test_an_error_in_a_callback_is_raised_when_the_trace_is_readable(files: Files, hook: str):
    def fail(rows: Any) -> None:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine") as caught:
        pcsim.run(files.read(TRAINING), path="s.h5", **{hook: fail})  # pyright: ignore[reportArgumentType]
    assert isinstance(caught.value.__cause__, Interrupted)
    with pcsim.open_trace("s.h5") as trace:
        assert trace.status == "interrupted"
        assert trace.training["update"][-1] >= 1


def test_a_study_has_no_rows_to_tell_of(files: Files):
    with pytest.raises(UsageError, match="on_epoch and on_rows are told of one run"):
        pcsim.run(files.read(TEXT + "\n[sweep]\nseed = [0, 1]\n"), on_epoch=print)
