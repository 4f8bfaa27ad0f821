"""CIFAR-10 and CIFAR-100 in their binary versions; the python versions are pickled, which is never loaded."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from pcsim.datasets.archive import open_data
from pcsim.datasets.checks import require_classes
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.kept import kept
from pcsim.datasets.places import first_folder, located
from pcsim.datasets.scaling import PixelScaling
from pcsim.errors import UsageError

_EDGE, _CHANNELS = 32, 3
_PIXELS = _CHANNELS * _EDGE * _EDGE
_PAGE = "https://www.cs.toronto.edu/~kriz/"
_PICKLE, _GZIP = 0x80, 0x1F
_SCALING = PixelScaling(255.0)


@dataclass(frozen=True)
class Cifar:
    """One of the two sets: its files, and what a record of them is: labels, the last of `classes`, and the pixels."""

    name: str
    training: tuple[str, ...]
    test: str
    labels: int
    classes: int
    archive: str
    folders: tuple[str, ...]
    pickled: tuple[str, ...]
    """Files of the python version, by which it is recognised in a folder."""

    @property
    def record(self) -> int:
        """The bytes of a record."""
        return self.labels + _PIXELS

    @property
    def needed(self) -> str:
        """What messages ask for."""
        return f"the folder of the binary version, with {self.training[0]} and {self.test}, or one of its files"

    @property
    def origin(self) -> str:
        """How the binary version is fetched, in a line."""
        return f"fetch the binary version: curl -O {_PAGE}{self.archive} && tar xzf {self.archive}"


CIFAR_10 = Cifar(
    "cifar-10",
    tuple(f"data_batch_{k}.bin" for k in range(1, 6)),
    "test_batch.bin",
    1,
    10,
    "cifar-10-binary.tar.gz",
    ("cifar-10-batches-bin", "cifar-10", "cifar10"),
    ("data_batch_1", "cifar-10-batches-py/data_batch_1"),
)
CIFAR_100 = Cifar(
    "cifar-100",
    ("train.bin",),
    "test.bin",
    2,
    100,
    "cifar-100-binary.tar.gz",
    ("cifar-100-binary", "cifar-100", "cifar100"),
    ("train", "cifar-100-python/train"),
)


def load_cifar(which: Cifar, file: Path | None) -> Dataset:
    """Return 32×32 images of 3 channels, scaled to [−1, 1] when asked for, and labels 0 … 9, or the 100 fine ones.

    `file` is the folder of the binary version, a data folder, or one file, whose images are all to learn from; None
    looks in `user_data_dir()`. Raises `UsageError` when nothing is found, or for a file that holds something else.
    Source: A. Krizhevsky (2009), "Learning multiple layers of features from tiny images".
    """
    return _read(_locate(which, file), which)


@kept
def _read(path: Path, which: Cifar) -> Dataset:
    if not path.is_dir():
        x, y = _part(which, path)
        return Dataset(which.name, x, y, None, None, f"{which.name} from {path}", _SCALING)
    missing = [name for name in (*which.training, which.test) if not (path / name).is_file()]
    if missing:
        raise UsageError(f"{path}: lacks {', '.join(missing)}; all files are needed, or name one; {which.origin}")
    parts = [_part(which, path / name) for name in which.training]
    counts = [len(y) for _, y in parts]
    if (fewest := min(counts)) < max(counts):
        short = path / which.training[counts.index(fewest)]
        raise UsageError(f"{short}: has {fewest:,} images, another file {max(counts):,}: truncated; {which.origin}")
    x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
    x_test, y_test = _part(which, path / which.test)
    return Dataset(which.name, x, y, x_test, y_test, f"{which.name} from {path}", _SCALING)


def _locate(which: Cifar, file: Path | None) -> Path:
    def holds(place: Path) -> bool:
        return any((place / name).is_file() for name in (*which.training, which.test))

    def search(folder: Path) -> Path | None:
        found = first_folder(folder, which.folders, holds)
        pickled = next((folder / name for name in which.pickled if (folder / name).is_file()), None)
        if found is None and pickled is not None:
            raise UsageError(_pickled(which, pickled))
        return found

    looked = [f"{name}/{which.training[0]}" for name in which.folders]
    return located(which.name, file, search, looked, which.needed, which.origin)


def _pickled(which: Cifar, path: Path) -> str:
    return f"{path}: is of the python version, which is pickled and never loaded; {which.origin}"


def _part(which: Cifar, path: Path) -> tuple[UInt8[np.ndarray, "samples 32 32 3"], Int64[np.ndarray, " samples"]]:
    """Return the images of a file, stored channel by channel, channels last, and their labels."""
    with open_data(path, which.needed) as handle:
        length, first = os.fstat(handle.fileno()).st_size, handle.read(1)
        if first == bytes([_PICKLE]):
            raise UsageError(_pickled(which, path))
        if first == bytes([_GZIP]):
            raise UsageError(f"{path}: is compressed; unpack it with tar xzf, and name the folder or file inside")
        if length == 0 or length % which.record:
            kind = "a label" if which.labels == 1 else "2 labels"
            raise UsageError(
                f"{path}: has {length:,} bytes, no whole number of records of {which.record:,} ({kind} and {_PIXELS:,} "
                f"pixels): truncated, or another file; {which.origin}"
            )
        handle.seek(0)
        records = np.frombuffer(handle.read(length), np.uint8).reshape(-1, which.record)
    y = records[:, which.labels - 1].astype(np.int64)
    require_classes(y, which.classes, str(path), which.origin)
    x = records[:, which.labels :].reshape(-1, _CHANNELS, _EDGE, _EDGE)
    return np.ascontiguousarray(np.moveaxis(x, 1, 3)), y
