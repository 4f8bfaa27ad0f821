"""SVHN, cropped digits: house numbers in MATLAB's files."""

from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from pcsim.datasets.checks import require_classes
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.kept import kept
from pcsim.datasets.mat import read_mat
from pcsim.datasets.places import first_folder, located
from pcsim.datasets.scaling import PixelScaling
from pcsim.errors import UsageError

_TRAIN, _TEST = "train_32x32.mat", "test_32x32.mat"
_FOLDERS = ("svhn", "SVHN")
_ORIGIN = "http://ufldl.stanford.edu/housenumbers/"
_NEEDED = f"the folder with {_TRAIN} and {_TEST}, or one such file"
_SCALING = PixelScaling(255.0)


def load_svhn(file: Path | None) -> Dataset:
    """Return 32×32 images of 3 channels, scaled to [−1, 1] when asked for, and labels 0 … 9.

    `file` is the folder of the cropped digits, a data folder, or one .mat file, whose images are all to learn from;
    None looks in `user_data_dir()`. Raises `UsageError` when nothing is found, or for a file that holds something else.
    Source: Y. Netzer et al. (2011), "Reading digits in natural images with unsupervised feature learning".
    """

    def search(folder: Path) -> Path | None:
        return first_folder(folder, _FOLDERS, lambda place: any((place / name).is_file() for name in (_TRAIN, _TEST)))

    path = located(
        "svhn", file, search, [_TRAIN, *(f"{name}/{_TRAIN}" for name in _FOLDERS)], _NEEDED, f"{_ORIGIN} has it"
    )
    return _read(path)


@kept
def _read(path: Path) -> Dataset:
    if not path.is_dir():
        x, y = _part(path)
        return Dataset("svhn", x, y, None, None, f"svhn from {path}", _SCALING)
    missing = [name for name in (_TRAIN, _TEST) if not (path / name).is_file()]
    if missing:
        raise UsageError(f"{path}: lacks {missing[0]}; both files are needed, or name one ({_ORIGIN} has them)")
    (x, y), (x_test, y_test) = _part(path / _TRAIN), _part(path / _TEST)
    return Dataset("svhn", x, y, x_test, y_test, f"svhn from {path}", _SCALING)


def _part(path: Path) -> tuple[UInt8[np.ndarray, "samples 32 32 3"], Int64[np.ndarray, " samples"]]:
    found = read_mat(path, _NEEDED, _ORIGIN)
    x, y = found.get("X"), found.get("y")
    if x is None or y is None:
        present = ", ".join(map(repr, found)) or "none"
        raise UsageError(f"{path}: lacks numbers X or y, its arrays: {present}; needed is {_NEEDED} ({_ORIGIN})")
    if x.dtype != np.uint8 or x.shape[:3] != (32, 32, 3) or x.ndim != 4 or not x.size:
        raise UsageError(
            f"{path}: X holds {x.dtype} of shape {x.shape}; needed are uint8 images (32, 32, 3, samples), those of the "
            f"cropped digits ({_ORIGIN})"
        )
    if y.size != x.shape[3]:
        raise UsageError(f"{path}: y has shape {y.shape}; needed are {x.shape[3]} labels, one an image")
    # Labels beyond int64, and those that are no numbers, become others that are wrong as well.
    with np.errstate(invalid="ignore"):
        labels = y.reshape(-1).astype(np.int64)
    labels[labels == 10] = 0
    require_classes(labels, 10, f"{path}: y", f"fetch it again ({_ORIGIN})")
    return np.ascontiguousarray(np.moveaxis(x, 3, 0)), labels
