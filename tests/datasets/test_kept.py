"""A data set is read from its file once, and anew as soon as the file is another."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from pcsim.datasets import load_dataset

X = np.arange(12.0).reshape(4, 3)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a minute have passed since files were written."""
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60)


def write(path: Path, x: np.ndarray) -> Path:
    np.savez(path, x=x, y=np.arange(4))
    return path


@pytest.mark.usefixtures("later")
def test_the_second_reading_has_the_arrays_of_the_first(tmp_path: Path):
    path = write(tmp_path / "own.npz", X)
    first, second = load_dataset("npz", file=path), load_dataset("npz", file=path)
    assert second.inputs is first.inputs
    assert second.y is first.y
    assert "x" not in vars(second)  # what is worked out of it is not kept
    with pytest.raises(ValueError, match="read-only"):
        second.inputs[0, 0] = 1.0


@pytest.mark.usefixtures("later")
def test_another_file_in_its_place_is_read(tmp_path: Path):
    path = write(tmp_path / "own.npz", X)
    load_dataset("npz", file=path)
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    time.sleep(0.02)  # longer than a tick of the clock that files have their times from
    write(path, X + 1)
    os.utime(path, ns=times)  # as large, and as old as it says
    assert np.array_equal(load_dataset("npz", file=path).inputs, X + 1)
    write(tmp_path / "other.npz", X + 2).replace(path)
    assert np.array_equal(load_dataset("npz", file=path).inputs, X + 2)


def test_a_file_that_was_just_written_is_read_again(tmp_path: Path):
    path = write(tmp_path / "own.npz", X)
    assert load_dataset("npz", file=path).inputs is not load_dataset("npz", file=path).inputs


@pytest.mark.usefixtures("later")
def test_a_folder_is_read_again_where_one_file_is_another(tmp_path: Path):
    for name in ("train.bin", "test.bin"):
        (tmp_path / name).write_bytes(bytes(2 + 3 * 32 * 32))
    first = load_dataset("cifar-100", file=tmp_path)
    assert load_dataset("cifar-100", file=tmp_path).inputs is first.inputs
    time.sleep(0.02)
    (tmp_path / "test.bin").write_bytes(bytes(2) + b"\1" * 3 * 32 * 32)
    again = load_dataset("cifar-100", file=tmp_path)
    assert again.inputs_test is not None
    assert again.inputs_test.all()
    assert not again.inputs.any()
