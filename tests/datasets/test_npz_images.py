"""A user's own images and named classes: layouts, bytes and labels that are texts."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pcsim.datasets import load_dataset
from pcsim.errors import UsageError
from pcsim.runs.simulation import prepare
from tests.support.scenario_files import Files

rng = np.random.default_rng(0)
IMAGES = rng.integers(256, size=(4, 5, 6, 3), dtype=np.uint8)
Y = np.array([0, 1, 2, 1])
NAMES = np.array(["dog", "cat", "emu", "cat"])


def write(folder: Path, **arrays: Any) -> Path:
    np.savez(folder / "mine.npz", **arrays)
    return folder / "mine.npz"


def message_for(path: Path, **options: Any) -> str:
    with pytest.raises(UsageError) as error:
        load_dataset("npz", file=path, **options)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


@pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0]])
def test_images_of_bytes_are_pixels_and_stay_bytes(images: np.ndarray, tmp_path: Path):
    data = load_dataset("npz", file=write(tmp_path, x=images, y=Y, x_test=images[:2], y_test=Y[:2]))
    assert data.inputs.dtype == np.uint8
    assert data.sample_shape == images.shape[1:]
    assert np.array_equal(data.x, (images / 255 - 0.5) / 0.5)
    assert data.x_test is not None
    assert np.array_equal(data.x_test, (images[:2] / 255 - 0.5) / 0.5)


@pytest.mark.parametrize("x", [IMAGES / 255, IMAGES.astype(np.int64), IMAGES.reshape(4, -1)])
def test_floats_and_rows_are_used_as_they_are(x: np.ndarray, tmp_path: Path):
    data = load_dataset("npz", file=write(tmp_path, x=x, y=Y))
    assert np.array_equal(data.x, x)
    assert data.x.dtype == np.float64


def test_channels_first(tmp_path: Path):
    path = write(tmp_path, x=IMAGES.transpose(0, 3, 1, 2), y=Y)
    assert np.array_equal(load_dataset("npz", file=path, channels="first").inputs, IMAGES)
    assert load_dataset("npz", file=path).sample_shape == (3, 5, 6)
    message = message_for(write(tmp_path, x=IMAGES[..., 0], y=Y), channels="first")
    assert "array 'x' has shape (4, 5, 6)" in message
    assert "(samples, channels, height, width)" in message


def test_names_of_keras(tmp_path: Path):
    data = load_dataset("npz", file=write(tmp_path, x_train=IMAGES, y_train=Y, x_test=IMAGES[:2], y_test=Y[:2]))
    assert np.array_equal(data.inputs, IMAGES)
    assert data.y.tolist() == Y.tolist()
    assert "two names of the same" in message_for(write(tmp_path, x=IMAGES, x_train=IMAGES, y=Y))
    assert "array 'x_train' has 4 samples but 'y_train' has 3" in message_for(
        write(tmp_path, x_train=IMAGES, y_train=Y[:3])
    )


@pytest.mark.parametrize("names", [NAMES, NAMES.astype("S")])
def test_labels_that_are_texts_are_classes_sorted_by_name(names: np.ndarray, tmp_path: Path):
    data = load_dataset("npz", file=write(tmp_path, x=IMAGES, y=names, x_test=IMAGES[:2], y_test=names[:2]))
    assert data.y.tolist() == [1, 0, 2, 0]
    assert data.y.dtype == np.int64
    assert data.y_test is not None
    assert data.y_test.tolist() == [1, 0]
    assert "3 classes sorted by name: 'cat', 'dog', 'emu'" in data.source


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (
            {"y": NAMES, "x_test": IMAGES, "y_test": np.array(["cat", "fox", "cat", "fox"])},
            "label 'fox' of sample 1 is",
        ),
        ({"y": NAMES, "x_test": IMAGES, "y_test": Y}, "array 'y_test' holds int64 of shape (4,); needed are texts"),
        ({"y": NAMES[:, None]}, "array 'y' has shape (4, 1)"),
        ({"y": NAMES[:3]}, "array 'x' has 4 samples but 'y' has 3"),
        ({"y": NAMES.astype(object)}, "texts (dtype str)"),
    ],
)
def test_wrong_names_are_one_line(arrays: dict[str, Any], said: str, tmp_path: Path):
    assert said in message_for(write(tmp_path, x=IMAGES, **arrays))


NETWORK = """
[network]
input = [5, 6, 3]
layers = [{ conv = 2, kernel = 3 }, { dense = 3, activation = "linear" }]
activation = "relu"
[data]
name = "npz"
file = "mine.npz"
batch = 4
[inference]
method = "error"
loss = "cross-entropy"
steps = 1
step_size = 0.1
"""


def test_what_the_network_takes_and_images_are(files: Files):
    write(files.folder, x=IMAGES.transpose(0, 3, 1, 2), y=NAMES)
    assert prepare(files.read(NETWORK, "data.channels=first")).task.x.shape == (4, 5, 6, 3)
    for changes, said in (
        ([], "a sample of the data 'npz' has shape (3, 5, 6); write channels = \"first\" in [data]"),
        (["data.channels=first", "network.input=[5, 6, 1]"], "has shape (5, 6, 3); set input = [5, 6, 3]"),
        (["data.channels=first", "network.input=[6, 5, 3]"], "has shape (5, 6, 3); set input = [5, 6, 3]"),
    ):
        with pytest.raises(UsageError) as error:
            prepare(files.read(NETWORK, *changes))
        assert said in str(error.value)
