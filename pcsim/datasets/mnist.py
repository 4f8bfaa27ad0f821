"""MNIST and Fashion-MNIST, read from a file or folder of the user's; nothing is downloaded."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pcsim.datasets.archive import read_arrays
from pcsim.datasets.checks import labels_or_targets, real_array, same_length
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.idx import read_idx
from pcsim.datasets.kept import kept
from pcsim.datasets.places import located
from pcsim.datasets.scaling import PixelScaling
from pcsim.errors import UsageError
from pcsim.typing import NDArray

_KEYS = ("x_train", "y_train", "x_test", "y_test")
_IDX_NAMES = {
    "x_train": ("train-images", 3),
    "y_train": ("train-labels", 1),
    "x_test": ("t10k-images", 3),
    "y_test": ("t10k-labels", 1),
}
_NEEDED = "an .npz file with x_train, y_train, x_test and y_test, or a folder with the four IDX files"
_SCALING = PixelScaling(255.0)


@dataclass(frozen=True)
class ImageSet:
    """Where an MNIST-like set lies in a data folder: names of .npz files, and of folders of IDX files."""

    name: str
    npz_names: tuple[str, ...]
    folders: tuple[str, ...]

    def find(self, folder: Path) -> Path | None:
        """Return the first .npz file or folder with IDX files of this set below a data folder."""
        places = [folder, *(folder / name for name in self.folders)]
        files = (place / name for place in places for name in self.npz_names)
        return next((file for file in files if file.is_file()), None) or next(
            (place for place in places[1:] if _has_idx(place)), None
        )


MNIST = ImageSet("mnist", ("mnist.npz",), ("mnist", "MNIST/raw"))
FASHION_MNIST = ImageSet(
    "fashion-mnist",
    ("fashion-mnist.npz", "fashion_mnist.npz"),
    ("fashion-mnist", "fashion_mnist", "FashionMNIST/raw"),
)


def load_image_set(images: ImageSet, file: Path | None) -> Dataset:
    """Return MNIST or Fashion-MNIST: 28×28 images scaled to [−1, 1] when asked for, and labels 0 … 9.

    `file` is an .npz file, a folder with the four IDX files, or a data folder; None looks in
    `user_data_dir()`. Raises UsageError when nothing is found, or for a file that holds something else.
    """
    return _read(_locate(images, file), images)


@kept
def _read(path: Path, images: ImageSet) -> Dataset:
    arrays = _read_idx_folder(path) if path.is_dir() else read_arrays(path, _KEYS, needed=_NEEDED)
    x, y = _part(arrays, "x_train", "y_train", path)
    x_test, y_test = _part(arrays, "x_test", "y_test", path)
    return Dataset(images.name, x, y, x_test, y_test, f"{images.name} from {path}", _SCALING)


def _locate(images: ImageSet, file: Path | None) -> Path:
    def search(folder: Path) -> Path | None:
        found = images.find(folder)
        return folder if found is None and file is not None and _has_idx(folder) else found

    looked = [*images.npz_names, *(f"{name}/" for name in images.folders)]
    return located(images.name, file, search, looked, _NEEDED)


def _idx_file(folder: Path, key: str) -> Path | None:
    stem, axes = _IDX_NAMES[key]
    names = [f"{stem}{dot}idx{axes}-ubyte{gz}" for gz in ("", ".gz") for dot in "-."]
    return next((folder / name for name in names if (folder / name).is_file()), None)


def _has_idx(folder: Path) -> bool:
    return any(_idx_file(folder, key) for key in _KEYS)


def _read_idx_folder(folder: Path) -> dict[str, NDArray[Any]]:
    files = {key: _idx_file(folder, key) for key in _KEYS}
    missing = [f"{stem}-idx{axes}-ubyte" for key, (stem, axes) in _IDX_NAMES.items() if files[key] is None]
    if missing:
        raise UsageError(f"{folder}: lacks {', '.join(missing)} (or with .gz); all four IDX files are needed")
    return {key: read_idx(path, _IDX_NAMES[key][1]) for key, path in files.items() if path is not None}


def _part(arrays: dict[str, NDArray[Any]], x_name: str, y_name: str, path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    where = f"{path}: '{x_name}'"
    x = real_array(arrays[x_name], where)
    if x.dtype != "u1" or x.shape[1:] != (28, 28):
        raise UsageError(
            f"{where} holds {x.dtype} of shape {x.shape}; needed are uint8 images (samples, 28, 28);"
            ' read prepared data with data.name = "npz"'
        )
    where_y = f"{path}: '{y_name}'"
    y = labels_or_targets(arrays[y_name], where_y)
    if y.ndim != 1 or y.dtype.kind != "i" or y.max() > 9:
        raise UsageError(
            f"{where_y} holds {arrays[y_name].dtype} of shape {y.shape} up to {y.max():g}; needed are labels 0..9"
        )
    same_length(x, y, where, f"'{y_name}'")
    return x, y
