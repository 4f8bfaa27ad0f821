"""Checkpoints: every bit comes back, and the previous one survives any failure."""

import json
import os
import subprocess
import sys
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from pcsim.errors import RunFailed, UsageError
from pcsim.runs.checkpoint import by_path, checkpoint_path, read_checkpoint, write_checkpoint
from tests.support.checkpoints import ORIGIN, assert_same, assert_same_checkpoint, sample, tree
from tests.support.covering import sampled
from tests.support.places import ROOT


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn])
def test_every_bit_comes_back(tmp_path: Path, dtype: Any) -> None:
    path = tmp_path / "run.h5.checkpoint"
    write_checkpoint(path, sample(dtype))
    found = read_checkpoint(path)
    assert_same_checkpoint(found, sample(dtype))
    for part, wanted in tree(dtype).items():
        assert_same(found.restored(tree(dtype, seed=1)[part], part), wanted)
    assert found.path == path
    write_checkpoint(path, sample(dtype, 1, ("parameters",)))
    assert_same_checkpoint(read_checkpoint(path), sample(dtype, 1, ("parameters",)))
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5.checkpoint"]


def test_arrays_of_jax_are_held_too(tmp_path: Path) -> None:
    jax_numpy = pytest.importorskip("jax.numpy")
    memory = (jax_numpy.arange(3, dtype="bfloat16"), jax_numpy.float32(2))
    write_checkpoint(tmp_path / "c", replace(sample(), arrays=by_path(memory, "memory")))
    wanted = tuple(np.asarray(array) for array in memory)
    assert_same(read_checkpoint(tmp_path / "c").restored(wanted, "memory"), wanted)


def test_numpy_opens_a_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "c", sample())
    with np.load(tmp_path / "c") as arrays:
        np.testing.assert_array_equal(arrays["parameters/W_0"], tree()["parameters"]["W_0"])
        assert {"memory/0/W/1", "memory/3/W/1/0", "memory/4", "best/W_0"} <= set(arrays.files)


def test_it_lies_beside_the_trace() -> None:
    assert checkpoint_path(Path("runs/a.h5")) == Path("runs/a.h5.checkpoint")


def test_the_format_before_is_read(tmp_path: Path) -> None:
    """It said in its head how arrays are nested, and which are stored as integers."""
    small = np.array([1.5, -2.0], dtype=ml_dtypes.bfloat16)
    arrays: dict[str, Any] = {"parameters/b_0": small.view("u2"), "memory/0/b/1": np.ones(2)}
    np.savez(tmp_path / "old.npz", **arrays)
    held = {"array": "parameters/b_0", "dtype": "bfloat16"}
    numbers = {"epoch": 3, "best_loss": float("inf")}
    head = {"format": "pcsim-checkpoint", "format_version": 1, "origin": asdict(ORIGIN), "numbers": numbers}
    with zipfile.ZipFile(tmp_path / "old.npz", "a") as archive:
        archive.writestr("checkpoint.json", json.dumps(head | {"parameters": {"dict": {"b_0": held}}, "best": None}))
    found = read_checkpoint(tmp_path / "old.npz")
    assert_same(found.restored({"b_0": np.zeros_like(small)}, "parameters"), {"b_0": small})
    assert_same(found.restored(({"b": ((), np.zeros(2))},), "memory"), ({"b": ((), np.ones(2))},))
    assert (found.origin, found.numbers) == (ORIGIN, numbers)


@pytest.mark.parametrize("like", [np.zeros((4, 6), np.float32), np.zeros((4, 5)), {"W": np.zeros(3)}], ids=str)
def test_what_is_not_there_or_of_another_shape_is_damage(tmp_path: Path, like: Any) -> None:
    write_checkpoint(tmp_path / "c", sample())
    with pytest.raises(UsageError, match="c is damaged or truncated; use another copy, or start training anew"):
        read_checkpoint(tmp_path / "c").restored(like, "parameters/W_0")


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_checkpoint(tmp_path / "c", replace(sample(), arrays={"memory": np.array([None])}))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_failed_write_keeps_the_previous_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    def fail(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "run.h5.checkpoint"
    for kept in ("there is none yet", "the previous one is whole"):
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail)
            with pytest.raises(RunFailed) as error:
                write_checkpoint(path, sample(seed=1))
        assert str(error.value) == f"{path}: the checkpoint could not be written (Input/output error); {kept}"
        assert [p.name for p in tmp_path.iterdir()] == ([path.name] if path.exists() else [])
        write_checkpoint(path, sample())
    assert_same_checkpoint(read_checkpoint(path), sample())


def test_a_kill_before_the_replacement_keeps_the_previous_one(tmp_path: Path) -> None:
    path = tmp_path / "c"
    write_checkpoint(path, sample())
    program = f"""
import os, pathlib, signal
os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from tests.runs.test_checkpoint import sample, write_checkpoint
write_checkpoint(pathlib.Path({str(path)!r}), sample(seed=1))
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == -9
    assert_same_checkpoint(read_checkpoint(path), sample())


@pytest.mark.parametrize("reserving", [True, False])
@pytest.mark.parametrize("limit", sampled([100, 5_000, 300_000], ["5000"]))
def test_a_full_disk_keeps_the_previous_one(tmp_path: Path, limit: int, reserving: bool) -> None:
    """In a process of its own, whose files cannot grow further."""
    path = tmp_path / "c"
    write_checkpoint(path, sample())
    program = f"""
import dataclasses, pathlib, resource
import numpy as np
from pcsim.errors import RunFailed
from pcsim.runs import checkpoint
from tests.runs.test_checkpoint import sample
if not {reserving}:
    checkpoint.reserve = lambda *_: False
large = dataclasses.replace(sample(seed=1), arrays={{"best/W_0": np.zeros(100_000), "best/b_0": np.zeros(3)}})
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, resource.RLIM_INFINITY))
try:
    checkpoint.write_checkpoint(pathlib.Path({str(path)!r}), large)
except RunFailed as error:
    print(error)
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith(f"{path}: the checkpoint could not be written (")
    assert done.stdout.endswith("); the previous one is whole\n")
    assert_same_checkpoint(read_checkpoint(path), sample())
    assert [p.name for p in tmp_path.iterdir()] == ["c"]
