"""EMNIST's IDX files: letters and digits in MNIST's form, stored transposed."""

from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from pcsim.datasets.checks import require_classes, same_length
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.idx import read_idx
from pcsim.datasets.kept import kept
from pcsim.datasets.places import first_folder, located
from pcsim.datasets.scaling import PixelScaling
from pcsim.errors import UsageError

DEFAULT_SPLIT = "mnist"
CLASSES = {"mnist": 10, "digits": 10, "letters": 26, "balanced": 47, "bymerge": 47, "byclass": 62}
"""By split."""
FIRST_LABEL = {"letters": 1}
"""Where it is not 0."""
_FOLDERS = ("emnist", "emnist/gzip", "EMNIST/raw", "gzip")
_ORIGIN = "https://www.nist.gov/itl/products-and-services/emnist-dataset"
_NEEDED = "the folder of its IDX files, or one file of another split, as emnist-letters-train-images-idx3-ubyte.gz"
_SCALING = PixelScaling(255.0)


def load_emnist(file: Path | None) -> Dataset:
    """Return 28×28 images the right way round, scaled to [−1, 1] when asked for, and labels from 0.

    `file` is a folder, of which the split `mnist` is read, or any one file of a split; None looks in `user_data_dir()`.
    Raises `UsageError` when nothing is found, or for files that hold something else.
    Source: G. Cohen et al. (2017), "EMNIST: extending MNIST to handwritten letters" (arXiv:1702.05373).
    """

    def search(folder: Path) -> Path | None:
        return first_folder(folder, _FOLDERS, lambda place: _file(place, DEFAULT_SPLIT, "train-images", 3) is not None)

    first = f"emnist-{DEFAULT_SPLIT}-train-images-idx3-ubyte"
    path = located(
        "emnist", file, search, [first, *(f"{name}/{first}" for name in _FOLDERS)], _NEEDED, f"{_ORIGIN} has it"
    )
    return _read(path, DEFAULT_SPLIT) if path.is_dir() else _read(path.parent, _split_of(path))


@kept
def _read(folder: Path, split: str) -> Dataset:
    x, y = _part(folder, split, "train")
    x_test, y_test = _part(folder, split, "test")
    return Dataset("emnist", x, y, x_test, y_test, f"emnist, split {split}, from {folder}", _SCALING)


def _split_of(path: Path) -> str:
    begin, split, *_ = [*path.name.split("-"), ""]
    if begin != "emnist" or split not in CLASSES:
        raise UsageError(
            f"{path}: is named as no file of EMNIST; needed is emnist-SPLIT-train-images-idx3-ubyte with SPLIT one of "
            f"{', '.join(CLASSES)}, plain or .gz ({_ORIGIN})"
        )
    return split


def _file(folder: Path, split: str, kind: str, axes: int) -> Path | None:
    names = [f"emnist-{split}-{kind}-idx{axes}-ubyte{gz}" for gz in ("", ".gz")]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _part(
    folder: Path, split: str, part: str
) -> tuple[UInt8[np.ndarray, "samples 28 28"], Int64[np.ndarray, " samples"]]:
    images, labels = _file(folder, split, f"{part}-images", 3), _file(folder, split, f"{part}-labels", 1)
    if images is None or labels is None:
        kind, axes = ("images", 3) if images is None else ("labels", 1)
        raise UsageError(
            f"{folder}: lacks emnist-{split}-{part}-{kind}-idx{axes}-ubyte (or with .gz); a split has four files "
            f"({_ORIGIN})"
        )
    x, y = read_idx(images, 3), read_idx(labels, 1).astype(np.int64)
    if x.shape[1:] != (28, 28) or len(x) == 0:
        raise UsageError(f"{images}: holds images of shape {x.shape}; needed are some of 28×28; fetch it again")
    same_length(x, y, str(images), str(labels))
    y -= FIRST_LABEL.get(split, 0)
    require_classes(y, CLASSES[split], str(labels), f"fetch it again ({_ORIGIN})", FIRST_LABEL.get(split, 0))
    return np.ascontiguousarray(x.swapaxes(1, 2)), y
