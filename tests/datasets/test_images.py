"""CIFAR, EMNIST and SVHN: small files of their formats, where they are looked for, and what is wrong with one."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from pcsim.datasets import Dataset, load_dataset
from pcsim.errors import UsageError
from pcsim.typing import NDArray

rng = np.random.default_rng(0)
IMAGES = rng.integers(256, size=(4, 32, 32, 3), dtype=np.uint8)
GRAY = rng.integers(256, size=(4, 28, 28), dtype=np.uint8)
Y = np.array([3, 0, 9, 3], np.uint8)


def records(images: NDArray[np.uint8], *labels: NDArray[np.uint8]) -> bytes:
    planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([*(each[:, None] for each in labels), planes], axis=1).tobytes()


def cifar_10(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(1, 6):
        (folder / f"data_batch_{k}.bin").write_bytes(records(IMAGES, (Y + k) % 10))
    (folder / "test_batch.bin").write_bytes(records(IMAGES[:2], Y[:2]))
    return folder


def cifar_100(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "train.bin").write_bytes(records(IMAGES, Y, Y * 10))
    (folder / "test.bin").write_bytes(records(IMAGES[:2], Y[:2], Y[:2] * 10))
    return folder


def idx(array: NDArray[np.uint8]) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def emnist(folder: Path, split: str = "mnist", first: int = 0, gz: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for part, rows in (("train", slice(None)), ("test", slice(2))):
        for kind, array in (("images-idx3", GRAY.swapaxes(1, 2)[rows]), ("labels-idx1", Y[rows] + np.uint8(first))):
            content = idx(np.ascontiguousarray(array))
            (folder / f"emnist-{split}-{part}-{kind}-ubyte{gz}").write_bytes(gzip.compress(content) if gz else content)
    return folder


def svhn(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    y = np.where(Y == 0, 10, Y).astype(np.uint8)[:, None]
    for name, rows in (("train", slice(None)), ("test", slice(2))):
        savemat(folder / f"{name}_32x32.mat", {"X": IMAGES[rows].transpose(1, 2, 3, 0), "y": y[rows]})
    return folder


WRITERS = {"cifar-10": cifar_10, "cifar-100": cifar_100, "emnist": emnist, "svhn": svhn}
ALL_LABELS = {"cifar-10": np.concatenate([(Y + k) % 10 for k in range(1, 6)]), "cifar-100": Y * 10}


def assert_is_written(data: Dataset, name: str) -> None:
    images = GRAY if name == "emnist" else IMAGES
    whole = np.concatenate([images] * 5) if name == "cifar-10" else images
    assert np.array_equal(data.inputs, whole)
    assert data.inputs.dtype == np.uint8
    assert np.array_equal(data.x, (whole / 255 - 0.5) / 0.5)
    assert data.y.dtype == np.int64
    assert np.array_equal(data.y, ALL_LABELS.get(name, Y))
    assert data.inputs_test is not None
    assert np.array_equal(data.inputs_test, images[:2])
    assert np.array_equal(np.asarray(data.y_test), Y[:2] * (10 if name == "cifar-100" else 1))


def message_for(name: str, file: Path | None) -> str:
    with pytest.raises(UsageError) as error:
        load_dataset(name, file=file)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("cifar-10", ("", "cifar-10-batches-bin", "cifar10")),
        ("cifar-100", ("", "cifar-100-binary")),
        ("emnist", ("", "EMNIST/raw", "emnist/gzip")),
        ("svhn", ("", "svhn")),
    ],
)
def test_places_in_a_data_folder(name: str, places: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for k, place in enumerate(places):
        home = tmp_path / str(k)
        WRITERS[name](home / place)
        monkeypatch.setenv("PCSIM_DATA", str(home))
        assert_is_written(load_dataset(name), name)
        assert_is_written(load_dataset(name, file=home / place), name)
    monkeypatch.setenv("PCSIM_DATA", str(tmp_path))
    message = message_for(name, None)
    for word in ("not found", str(tmp_path), places[1], "http", "data.file", "PCSIM_DATA"):
        assert word in message


def test_one_file_alone_is_all_to_learn_from(tmp_path: Path):
    for name, file in (("cifar-10", "data_batch_2.bin"), ("cifar-100", "test.bin"), ("svhn", "test_32x32.mat")):
        data = load_dataset(name, file=WRITERS[name](tmp_path / name) / file)
        assert (data.inputs_test, data.y_test) == (None, None)
        assert np.array_equal(data.inputs[:2], IMAGES[:2])


def test_other_splits_of_emnist_are_named_by_a_file(tmp_path: Path):
    emnist(tmp_path)
    emnist(tmp_path, "letters", first=1, gz=".gz")
    data = load_dataset("emnist", file=tmp_path / "emnist-letters-train-labels-idx1-ubyte.gz")
    assert np.array_equal(data.inputs, GRAY)
    assert data.y.tolist() == Y.tolist()
    assert "split letters" in data.source
    (tmp_path / "emnist-fancy-train-images-idx3-ubyte").touch()
    assert "byclass" in message_for("emnist", tmp_path / "emnist-fancy-train-images-idx3-ubyte")
    (tmp_path / "emnist-letters-test-labels-idx1-ubyte.gz").unlink()
    message = message_for("emnist", tmp_path / "emnist-letters-train-labels-idx1-ubyte.gz")
    assert "lacks emnist-letters-test-labels-idx1-ubyte (or with .gz)" in message


@pytest.mark.parametrize(
    ("name", "file", "content", "said"),
    [
        ("cifar-10", "data_batch_3.bin", records(IMAGES, Y)[:-5], "truncated, or another file"),
        ("cifar-10", "data_batch_3.bin", records(IMAGES[:3], Y[:3]), "has 3 images, another file 4: truncated; fetch"),
        ("cifar-10", "data_batch_3.bin", b"", "has 0 bytes"),
        ("cifar-10", "test_batch.bin", records(IMAGES, Y, Y), "no whole number of records of 3,073"),
        (
            "cifar-10",
            "test_batch.bin",
            records(IMAGES, Y + np.uint8(7)),
            "label 10 of sample 0; needed are labels 0..9",
        ),
        ("cifar-10", "data_batch_1.bin", b"\x80\x02}q", "pickled and never loaded; fetch the binary version: curl -O"),
        ("cifar-10", "data_batch_1.bin", gzip.compress(records(IMAGES, Y)), "is compressed; unpack it with tar xzf"),
        ("cifar-100", "train.bin", records(IMAGES, Y), "no whole number of records of 3,074 (2 labels"),
        ("cifar-100", "train.bin", records(IMAGES, Y, Y + np.uint8(97)), "needed are labels 0..99"),
        ("emnist", "emnist-mnist-train-images-idx3-ubyte", idx(GRAY)[:-3], "truncated"),
        ("emnist", "emnist-mnist-train-images-idx3-ubyte", idx(GRAY[:3]), "has 3 samples"),
        ("emnist", "emnist-mnist-train-images-idx3-ubyte", idx(GRAY[:, 1:]), "needed are some of 28×28"),
        ("emnist", "emnist-mnist-test-labels-idx1-ubyte", idx(Y[:2] + np.uint8(20)), "needed are labels 0..9"),
        ("svhn", "train_32x32.mat", b"", "no MATLAB file"),
        ("svhn", "train_32x32.mat", b"no such thing" * 30, "no MATLAB file"),
    ],
)
def test_wrong_files_are_one_line(name: str, file: str, content: bytes, said: str, tmp_path: Path):
    (WRITERS[name](tmp_path) / file).write_bytes(content)
    message = message_for(name, tmp_path)
    assert message.startswith(str(tmp_path / file))
    assert said in message
    assert "http" in message or name == "emnist" or "unpack" in message


def test_missing_files_and_python_versions_are_named(tmp_path: Path):
    (cifar_10(tmp_path / "a") / "data_batch_4.bin").unlink()
    assert "lacks data_batch_4.bin" in message_for("cifar-10", tmp_path / "a")
    (svhn(tmp_path / "b") / "test_32x32.mat").unlink()
    assert "lacks test_32x32.mat" in message_for("svhn", tmp_path / "b")
    (tmp_path / "cifar-100-python").mkdir()
    (tmp_path / "cifar-100-python" / "train").write_bytes(b"\x80\x02}q")
    message = message_for("cifar-100", tmp_path)
    assert "pickled and never loaded" in message
    assert "cifar-100-binary.tar.gz && tar xzf" in message


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"X": IMAGES, "y": Y}, "X holds uint8 of shape (4, 32, 32, 3); needed are uint8 images (32, 32, 3, samples)"),
        ({"X": IMAGES.transpose(1, 2, 3, 0), "y": Y[:3]}, "y has shape (1, 3); needed are 4 labels"),
        ({"X": IMAGES.transpose(1, 2, 3, 0), "y": Y + np.uint8(3)}, "label 12 of sample 2"),
        ({"x": IMAGES}, "lacks numbers X or y, its arrays: 'x'"),
    ],
)
def test_mat_files_of_another_kind(arrays: dict[str, Any], said: str, tmp_path: Path):
    path = tmp_path / "mine.mat"
    savemat(path, arrays)
    assert said in message_for("svhn", path)
