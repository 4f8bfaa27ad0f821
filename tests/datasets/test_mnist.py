"""MNIST and Fashion-MNIST: .npz and IDX files, where they are looked for, and what is wrong with one."""

import gzip
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcsim.datasets import first_batch, load_dataset
from pcsim.datasets.places import user_data_dir
from pcsim.errors import UsageError
from tests.support.places import ROOT

REAL = ROOT.parent / "shared" / "data"
NAMES = {
    "x_train": "train-images",
    "y_train": "train-labels",
    "x_test": "t10k-images",
    "y_test": "t10k-labels",
}

rng = np.random.default_rng(0)
ARRAYS = {
    "x_train": rng.integers(256, size=(7, 28, 28), dtype=np.uint8),
    "y_train": rng.integers(10, size=7, dtype=np.uint8),
    "x_test": rng.integers(256, size=(3, 28, 28), dtype=np.uint8),
    "y_test": rng.integers(10, size=3, dtype=np.uint8),
}


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_npz(path: Path, **changes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays: dict[str, Any] = {**ARRAYS, **changes}
    np.savez(path, **arrays)
    return path


def write_idx(folder: Path, dot: str = "-", suffix: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for key, stem in NAMES.items():
        content = idx_bytes(ARRAYS[key])
        file = folder / f"{stem}{dot}idx{ARRAYS[key].ndim}-ubyte{suffix}"
        file.write_bytes(gzip.compress(content, mtime=0) if suffix else content)
    return folder


def assert_is_written_data(name: str, file: Path | None) -> None:
    data = load_dataset(name, file=file)
    assert data.name == name
    assert np.array_equal(data.x, (ARRAYS["x_train"] / 255 - 0.5) / 0.5)
    assert data.y.dtype == np.int64
    assert np.array_equal(data.y, ARRAYS["y_train"])
    assert data.x_test is not None
    assert np.array_equal(data.x_test, (ARRAYS["x_test"] / 255 - 0.5) / 0.5)
    assert data.y_test is not None
    assert np.array_equal(data.y_test, ARRAYS["y_test"])


def message_for(name: str, file: Path | None) -> str:
    with pytest.raises(UsageError) as error:
        load_dataset(name, file=file)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_npz_file(tmp_path: Path, name: str):
    assert_is_written_data(name, write_npz(tmp_path / "any-name.npz"))


@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_folder_of_idx_files(tmp_path: Path, dot: str, suffix: str):
    assert_is_written_data("mnist", write_idx(tmp_path, dot, suffix))


def test_idx_compression_is_told_by_content(tmp_path: Path):
    for file in write_idx(tmp_path).iterdir():
        file.rename(file.with_name(file.name + ".gz"))
    assert_is_written_data("mnist", tmp_path)


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("mnist", "mnist.npz"),
        ("mnist", "mnist/mnist.npz"),
        ("mnist", "mnist"),
        ("mnist", "MNIST/raw"),
        ("fashion-mnist", "fashion-mnist.npz"),
        ("fashion-mnist", "fashion_mnist.npz"),
        ("fashion-mnist", "fashion-mnist/fashion-mnist.npz"),
        ("fashion-mnist", "fashion-mnist"),
        ("fashion-mnist", "fashion_mnist"),
        ("fashion-mnist", "FashionMNIST/raw"),
    ],
)
def test_places_in_a_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str):
    if place.endswith(".npz"):
        write_npz(tmp_path / place)
    else:
        write_idx(tmp_path / place, suffix=".gz")
    monkeypatch.setenv("PCSIM_DATA", str(tmp_path))
    assert_is_written_data(name, None)
    assert_is_written_data(name, tmp_path)
    other = {"mnist": "fashion-mnist", "fashion-mnist": "mnist"}[name]
    assert "not found" in message_for(other, None)


def test_idx_files_in_the_data_folder_itself_could_be_either_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    write_idx(tmp_path)
    monkeypatch.setenv("PCSIM_DATA", str(tmp_path))
    assert "not found" in message_for("mnist", None)
    assert_is_written_data("mnist", tmp_path)


def test_user_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PCSIM_DATA", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert user_data_dir() == tmp_path / ".local/share/pcsim"
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert user_data_dir() == tmp_path / ".local/share/pcsim"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert user_data_dir() == tmp_path / "xdg/pcsim"
    monkeypatch.setenv("PCSIM_DATA", "~/sets")
    assert user_data_dir() == tmp_path / "sets"


def test_not_found_says_where_it_looked_and_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PCSIM_DATA", str(tmp_path))
    message = message_for("fashion-mnist", None)
    for word in (str(tmp_path), "fashion_mnist.npz", "FashionMNIST/raw/", "data.file", "PCSIM_DATA"):
        assert word in message
    assert "no such file" in message_for("mnist", tmp_path / "absent.npz")
    assert "not found" in message_for("mnist", tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x_train": ARRAYS["x_train"] / 255}, "'x_train' holds float64 of shape (7, 28, 28)"),
        ({"x_test": ARRAYS["x_test"].reshape(3, -1)}, "'x_test' holds uint8 of shape (3, 784)"),
        ({"y_train": ARRAYS["y_train"][:5]}, "'x_train' has 7 samples but 'y_train' has 5"),
        ({"y_test": np.array([1, 2, 10])}, "needed are labels 0..9"),
        ({"y_test": np.array([1, 2, -1])}, "label -1 at sample 2"),
        ({"y_train": np.eye(7, 10)}, "'y_train' holds float64 of shape (7, 10)"),
        ({"x_train": ARRAYS["x_train"].astype(object)}, "holds Python objects"),
    ],
)
def test_npz_of_another_kind(tmp_path: Path, changes: dict[str, Any], said: str):
    path = write_npz(tmp_path / "mnist.npz", **changes)
    message = message_for("mnist", path)
    assert message.startswith(str(path))
    assert said in message


def test_npz_without_the_arrays_and_files_that_are_no_npz(tmp_path: Path):
    np.savez(tmp_path / "other.npz", x=ARRAYS["x_train"], y=ARRAYS["y_train"])
    assert "has no array 'x_train', its arrays: 'x', 'y'" in message_for("mnist", tmp_path / "other.npz")
    file = write_idx(tmp_path / "idx") / "train-images-idx3-ubyte"
    assert "is not an .npz file; needed is an .npz file with x_train" in message_for("mnist", file)


def test_missing_idx_files_are_named(tmp_path: Path):
    (write_idx(tmp_path, suffix=".gz") / "t10k-labels-idx1-ubyte.gz").unlink()
    assert "lacks t10k-labels-idx1-ubyte (or with .gz)" in message_for("mnist", tmp_path)


IMAGES = idx_bytes(ARRAYS["x_train"])
ZIPPED = gzip.compress(IMAGES, mtime=0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "starts with the bytes ''"),
        (IMAGES[:10], "truncated within its header (10 bytes of 16)"),
        (
            IMAGES[:-1],
            f"truncated: {len(IMAGES) - 1} bytes where its header, shape (7, 28, 28), means {len(IMAGES)}",
        ),
        (IMAGES + b"\0", "too long"),
        (idx_bytes(ARRAYS["y_train"]), "starts with the bytes '00 00 08 01', not '00 00 08 03'"),
        (b"\0\0\x0d\x03" + IMAGES[4:], "starts with the bytes '00 00 0d 03'"),
        (b"<html>not found</html>", "starts with the bytes '3c 68 74 6d'"),
        (IMAGES[:4] + b"\xff" * 12, "truncated"),
        (ZIPPED[:-20], "truncated or damaged"),
        (ZIPPED[:5], "truncated or damaged"),
        (
            ZIPPED[:100] + b"\xff" * 100 + ZIPPED[200:],
            "truncated or damaged",
        ),
        (idx_bytes(ARRAYS["x_train"][:0]), "holds no samples"),
        (idx_bytes(ARRAYS["x_train"][:, :27]), "uint8 of shape (7, 27, 28)"),
    ],
)
def test_wrong_idx_files_are_one_line(tmp_path: Path, content: bytes, said: str):
    (write_idx(tmp_path) / "train-images-idx3-ubyte").write_bytes(content)
    message = message_for("mnist", tmp_path)
    assert message.startswith(str(tmp_path))
    assert said in message


def test_only_the_batch_is_converted(tmp_path: Path):
    data = load_dataset("mnist", file=write_npz(tmp_path / "mnist.npz"))
    first_batch(data, 2, None)
    assert data.inputs.dtype == np.uint8
    assert "x" not in vars(data)


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_real_sets(name: str, monkeypatch: pytest.MonkeyPatch):
    if not (REAL / f"{name.replace('-', '_')}.npz").is_file():
        pytest.skip(f"{name} is not in {REAL}")
    monkeypatch.setenv("PCSIM_DATA", str(REAL))
    data = load_dataset(name)
    assert (len(data), data.sample_shape) == (60000, (28, 28))
    assert data.y_test is not None
    assert np.bincount(data.y_test).sum() == 10000
    x, y = first_batch(data, 64, None)
    assert (x.min(), x.max()) == (-1.0, 1.0)
    starts = {"mnist": [5, 0, 4, 1, 9], "fashion-mnist": [9, 0, 0, 3, 0]}
    assert y[:5].tolist() == starts[name]
