"""A user's own .npz file: what is read, and how each thing wrong with one is reported."""

import gzip
import io
import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pcsim.datasets import load_dataset
from pcsim.errors import UsageError

X = np.arange(12.0).reshape(4, 3)
Y = np.array([0, 1, 2, 1])


def write(folder: Path, **arrays: Any) -> Path:
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return path


def message_for(path: Path) -> str:
    with pytest.raises(UsageError) as error:
        load_dataset("npz", file=path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_arrays_are_used_as_they_are(tmp_path: Path):
    x = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    path = write(tmp_path, x=x, y=Y.astype("u1"), x_test=x[:2], y_test=Y[:2], note=np.array("mine"))
    data = load_dataset("npz", file=path)
    assert data.x.dtype == np.float64
    assert np.array_equal(data.x, x)
    assert data.y.dtype == np.int64
    assert np.array_equal(data.y, Y)
    assert data.x_test is not None
    assert np.array_equal(data.x_test, x[:2])
    assert data.y_test is not None
    assert np.array_equal(data.y_test, Y[:2])
    assert str(path) in data.source


@pytest.mark.parametrize("kind", ["f2", "f4", ">f8", "i1", "u2", "?", "g"])
def test_every_real_type_becomes_float64(tmp_path: Path, kind: str):
    data = load_dataset("npz", file=write(tmp_path, x=np.eye(4).astype(kind), y=Y))
    assert np.array_equal(data.x, np.eye(4))


def test_targets_compressed_and_fortran_order(tmp_path: Path):
    path = tmp_path / "mine.npz"
    y = np.array([[1, 2], [3, 4], [5, 6], [7, 8]])
    np.savez_compressed(path, x=np.asfortranarray(X), y=y)
    data = load_dataset("npz", file=path)
    assert np.array_equal(data.x, X)
    assert data.y.dtype == np.float64
    assert np.array_equal(data.y, y)
    assert (data.x_test, data.y_test) == (None, None)


def test_one_number_a_sample_is_a_column(tmp_path: Path):
    data = load_dataset("npz", file=write(tmp_path, x=X[:, 0], y=X[:, 1]))
    assert data.x.shape == (4, 1)
    assert (data.y.shape, data.y.dtype) == ((4,), np.float64)


def test_home_folder_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write(tmp_path, x=X, y=Y)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert len(load_dataset("npz", file=Path("~/mine.npz"))) == 4


NOT_FINITE = np.where(np.arange(12.0).reshape(4, 3) >= 6, np.nan, 1.0)


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"y": Y}, "has no array 'x', its arrays: 'y'"),
        ({"X": X, "y": Y}, "did you mean 'X'?"),
        ({"x": X, "labels": Y}, "has no array 'y', its arrays: 'x', 'labels'"),
        ({"X_train": X, "y_train": Y}, "did you mean 'X_train'?"),
        ({}, "its arrays: none"),
        ({"a\nb": X, "y": Y}, r"its arrays: 'a\nb', 'y'"),
        ({f"w{index}": Y for index in range(20)}, "'w7' and 12 more"),
        ({"x": X, "y": Y[:3]}, "array 'x' has 4 samples but 'y' has 3"),
        ({"x": X[:0], "y": Y[:0]}, "array 'x' holds no samples (shape (0, 3))"),
        ({"x": X[:, :0], "y": Y}, "samples without entries (shape (4, 0))"),
        ({"x": np.array(1.0), "y": Y}, "array 'x' is a single number"),
        ({"x": NOT_FINITE, "y": Y}, "array 'x' holds nan in sample 2 (2 of 4 samples are not finite)"),
        ({"x": X, "y": np.array([0, 1, -np.inf, 1])}, "array 'y' holds -inf in sample 2 (1 of 4"),
        ({"x": X, "y": NOT_FINITE}, "array 'y' holds nan in sample 2"),
        ({"x": X.astype("U4"), "y": Y}, "array 'x' holds values of type <U4"),
        ({"x": X.astype("M8[s]"), "y": Y}, "array 'x' holds values of type datetime64[s]"),
        ({"x": X + 1j, "y": Y}, "array 'x' holds complex numbers"),
        ({"x": X, "y": Y.astype("m8[s]")}, "array 'y' holds values of type timedelta64[s]"),
        ({"x": np.zeros(4, dtype=[("a", "f8")]), "y": Y}, "array 'x' holds values of type [('a', '<f8')]"),
        ({"x": X.astype(object), "y": Y}, "array 'x' holds Python objects, which are never loaded"),
        ({"x": X, "y": np.array([0, {}, 1, 2], dtype=object)}, "array 'y' holds Python objects"),
        ({"x": X, "y": np.array([0, 1, -1, 2])}, "array 'y': label -1 at sample 2"),
        ({"x": X, "y": np.array([0, 1, 2**63, 2], dtype=np.uint64)}, f"label {2**63} at sample 2"),
        ({"x": X, "y": np.zeros((4, 2, 2))}, "array 'y' has shape (4, 2, 2)"),
        ({"x": X, "y": Y, "x_test": X}, "has 'x_test' but no 'y_test'"),
        ({"x": X, "y": Y, "y_test": Y}, "has 'y_test' but no 'x_test'"),
        ({"x": X, "y": Y, "x_test": X[:, :2], "y_test": Y}, "one sample of 'x_test' has shape (2,)"),
        ({"x": X, "y": Y, "x_test": X, "y_test": np.eye(4)}, "one sample of 'y_test' has shape (4,)"),
        ({"x": X, "y": Y, "x_test": NOT_FINITE, "y_test": Y}, "array 'x_test' holds nan in sample 2"),
        ({"x": X, "y": Y, "x_test": X[:0], "y_test": Y[:0]}, "array 'x_test' holds no samples"),
        (
            {"x": X.astype(np.uint8), "y": Y, "x_test": X, "y_test": Y},
            f"'x' holds uint8 but 'x_test' holds {X.dtype}; bytes (uint8) may be pixels from 0 to 255: store both as",
        ),
    ],
)
def test_wrong_arrays_are_one_line(tmp_path: Path, arrays: dict[str, Any], said: str):
    assert said in message_for(write(tmp_path, **arrays))


@pytest.mark.skipif(np.finfo("g").max == np.finfo("d").max, reason="long double is no wider than float64 here")
def test_numbers_beyond_float64_are_reported(tmp_path: Path):
    x = np.ones((4, 3), dtype="g")
    x[1, 1] = np.finfo("g").max
    assert "holds inf in sample 1" in message_for(write(tmp_path, x=x, y=Y))


def npy_bytes() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, X)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty (0 bytes)"),
        (b"x,y\n1,2\n", "is not an .npz file"),
        (b"\0" * 500, "is not an .npz file"),
        (gzip.compress(b"x", mtime=0), "is not an .npz file"),
        (npy_bytes(), "is a single array (.npy)"),
        (b"PK\x03\x04", "truncated or damaged"),
        (b"PK\x03\x04" + b"\0" * 400, "truncated or damaged"),
    ],
)
def test_other_files_are_one_line(tmp_path: Path, content: bytes, said: str):
    path = tmp_path / "mine.npz"
    path.write_bytes(content)
    message = message_for(path)
    assert said in message


def test_missing_file_and_folder_say_what_is_needed(tmp_path: Path):
    missing = message_for(tmp_path / "nowhere.npz")
    assert "no such file; needed is an .npz file with the arrays x and y" in missing
    assert "is a folder" in message_for(tmp_path)


def test_names_the_system_refuses_are_one_line(tmp_path: Path):
    assert "cannot be read" in message_for(tmp_path / ("n" * 5000))
    with pytest.raises(UsageError, match="cannot be read"):
        load_dataset("npz", file=Path("a\0b"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_is_one_line():
    reading, writing = os.pipe()
    try:
        os.write(writing, b"PK\x03\x04 and more")
        path = Path(f"/dev/fd/{reading}")
        if not path.exists():
            pytest.skip("no /dev/fd on this system")
        assert "is a pipe or device" in message_for(path)
    finally:
        os.close(reading)
        os.close(writing)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file_is_one_line(tmp_path: Path):
    path = write(tmp_path, x=X, y=Y)
    path.chmod(0)
    assert "Permission denied" in message_for(path)


def test_zip_members_that_are_no_arrays(tmp_path: Path):
    path = tmp_path / "mine.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x", "1 2 3")
        archive.writestr("y.npy", npy_bytes())
    assert "'x' is not an array" in message_for(path)


def test_a_header_that_claims_more_than_there_is(tmp_path: Path):
    path = tmp_path / "mine.npz"
    huge = npy_bytes().replace(b"(4, 3), }" + b" " * 9, b"(4, 3" + b"0" * 9 + b"), }")
    assert b"(4, 3000000000)" in huge
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", huge)
        archive.writestr("y.npy", npy_bytes())
    assert "truncated or damaged at array 'x'" in message_for(path)


def test_arrays_not_asked_for_are_not_read(tmp_path: Path):
    path = write(tmp_path, x=X, y=Y, junk=np.array([{}], dtype=object))
    assert len(load_dataset("npz", file=path)) == 4


def sound_archive(compressed: bool) -> bytes:
    buffer = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(buffer, x=X, y=Y)
    return buffer.getvalue()


SOUND = {compressed: sound_archive(compressed) for compressed in (False, True)}


@pytest.mark.parametrize("compressed", [False, True])
def test_every_truncation_is_one_line(tmp_path: Path, compressed: bool):
    path = tmp_path / "mine.npz"
    for length in range(0, len(SOUND[compressed]), 7):
        path.write_bytes(SOUND[compressed][:length])
        message_for(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300, deadline=None)
@given(
    compressed=st.booleans(),
    place=st.floats(0, 1, exclude_max=True),
    damage=st.binary(min_size=1, max_size=8),
)
def test_damage_anywhere_is_one_line_or_harmless(tmp_path: Path, compressed: bool, place: float, damage: bytes):
    path = tmp_path / "mine.npz"
    content = bytearray(SOUND[compressed])
    start = int(place * len(content))
    content[start : start + len(damage)] = damage
    path.write_bytes(content)
    try:
        message = str(load_dataset("npz", file=path).source)
    except UsageError as error:
        message = str(error)
    assert re.fullmatch(r"[^\n]+", message)
