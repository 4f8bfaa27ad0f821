"""Logs beside a trace: CSV files, and events that TensorBoard reads."""

import csv
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pcsim
from pcsim.errors import Interrupted, UsageError
from tests.support.scenario_files import TEXT, Files
from tests.support.training_files import TRAINING, UPDATES, interrupting

LOGGED = TRAINING + '[trace]\nlog = ["csv"]\n'


def columns(path: str) -> dict[str, list[float]]:
    with Path(path).open(newline="") as file:
        head, *rows = csv.reader(file)
    return {name: [float(row[i]) for row in rows] for i, name in enumerate(head)}


def scalars(folder: str) -> Iterator[tuple[str, int, float]]:
    """Yield tag, step and value of every scalar in the events of a folder."""
    from tensorboardX.proto import event_pb2

    event_of: Any = vars(event_pb2)["Event"]  # protobuf makes it when it is imported

    for file in sorted(Path(folder).glob("events.out.tfevents.*")):
        content, at = file.read_bytes(), 0
        while at < len(content):  # length, its checksum, the event, its checksum
            (length,) = struct.unpack_from("<Q", content, at)
            event = event_of.FromString(content[at + 12 : at + 12 + length])
            at += length + 16
            yield from ((value.tag, event.step, value.simple_value) for value in event.summary.value)


def test_csv_files_hold_the_rows_of_the_trace(files: Files):
    with pcsim.run(files.read(LOGGED), path="s.h5") as trace:
        epochs, updates, steps = (columns(f"s-{clock}.csv") for clock in ("epoch", "update", "step"))
        assert next(iter(epochs)) == "epoch"
        for name in ("test_accuracy", "train_loss"):
            assert epochs[name] == trace.training[name].tolist()
        assert epochs["cosine layer 0"] == trace.training["cosine"][:, 0].tolist()
        assert updates["energy output"] == trace.training["energy"][:, -1].tolist()
        assert (steps["step"], steps["energy layer 0"]) == (trace.steps.tolist(), trace.energy[:, 0].tolist())


def test_a_run_that_goes_on_leaves_no_row_twice(files: Files):
    with pytest.raises(Interrupted):
        pcsim.run(files.read(LOGGED), path="s.h5", progress=interrupting(2 * UPDATES + 1))
    pcsim.run(files.read(LOGGED), resume="s.h5").close()
    assert columns("s-epoch.csv")["epoch"] == [1, 2, 3, 4]
    assert columns("s-update.csv")["update"] == list(range(1, 4 * UPDATES + 1))


def test_logs_of_another_run_are_kept_unless_forced(files: Files):
    scenario = files.read(TEXT, 'trace.log=["csv"]')
    Path("s-step.csv").write_text("mine\n")
    with pytest.raises(
        UsageError, match=r"^s-step\.csv exists, a log of another run; choose another name with path= or add force"
    ):
        pcsim.run(scenario, path="s.h5")
    assert not Path("s.h5").exists()
    pcsim.run(scenario, path="s.h5", force=True).close()
    assert len(columns("s-step.csv")["step"]) == 21


def test_logs_need_a_place(files: Files):
    with pytest.raises(UsageError, match=r"log=.*: logs are written beside the trace"):
        pcsim.run(files.read(TEXT, 'trace.log=["csv"]'))
    (line,) = files.problems(TEXT + '\n[sweep]\nseed = [0, 1]\n[trace]\nlog = ["csv"]\n')
    assert "trace.log does not go with [sweep] and [study]" in line


def test_tensorboard_reads_epochs_updates_and_steps(files: Files):
    pytest.importorskip("tensorboardX", reason="needs tensorboardX")
    scenario = files.read(LOGGED.replace('"csv"', '"tensorboard"'))
    with pcsim.run(scenario, path="s.h5") as trace:
        found = list(scalars("s.tensorboard"))
        accuracy = [(step, value) for tag, step, value in found if tag == "epoch/test_accuracy"]
        assert [step for step, _ in accuracy] == [1, 2, 3, 4]
        np.testing.assert_allclose([value for _, value in accuracy], trace.training["test_accuracy"], rtol=1e-6)
        assert {"update/loss", "update/energy/layer_0", "step/energy/output", "epoch/cosine/layer_0"} <= {
            tag for tag, *_ in found
        }
        assert [step for tag, step, _ in found if tag == "step/energy/output"] == trace.steps.tolist()


def test_without_the_package_nothing_is_started(files: Files, monkeypatch: pytest.MonkeyPatch):
    def absent(name: str) -> None:
        return None

    monkeypatch.setattr("pcsim.runs.logs.find_spec", absent)
    with pytest.raises(UsageError, match=r"pip install 'pcsim\[tensorboard\]'$"):
        pcsim.run(files.read(TEXT, 'trace.log=["tensorboard"]'), path="s.h5")
