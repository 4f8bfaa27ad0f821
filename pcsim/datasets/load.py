"""One way to every data set a scenario can name."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from pcsim.datasets.arrays import Channels
from pcsim.datasets.cifar import CIFAR_10, CIFAR_100, load_cifar
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.digits import load_digits
from pcsim.datasets.emnist import load_emnist
from pcsim.datasets.gaussian_line import gaussian_line
from pcsim.datasets.mnist import FASHION_MNIST, MNIST, load_image_set
from pcsim.datasets.mnist1d import mnist1d
from pcsim.datasets.npz import load_npz
from pcsim.datasets.own import own_dataset
from pcsim.datasets.svhn import load_svhn
from pcsim.errors import UsageError
from pcsim.extensions import KINDS, find
from pcsim.resources import expanded

_FROM_FILES: dict[str, Callable[[Path | None], Dataset]] = {
    "mnist": partial(load_image_set, MNIST),
    "fashion-mnist": partial(load_image_set, FASHION_MNIST),
    "emnist": load_emnist,
    "svhn": load_svhn,
    "cifar-10": partial(load_cifar, CIFAR_10),
    "cifar-100": partial(load_cifar, CIFAR_100),
}
"""Those that a data folder may hold."""
DATASET_NAMES = KINDS["dataset"].shipped


def depends_on_seed(name: str) -> bool:
    """Tell whether another seed makes other samples of a data set, and not just another order of them."""
    return name not in (*_FROM_FILES, "digits", "npz")


def load_dataset(
    name: str,
    *,
    file: Path | None = None,
    seed: int = 0,
    samples: int | None = None,
    slope: float = -1.0,
    noise: float = 0.0,
    channels: Channels = "last",
) -> Dataset:
    """Return the data set of that name.

    `file` is for those that are read from files; `seed` for mnist1d and gaussian-line; `samples` (1024 unless given),
    `slope` and `noise` for gaussian-line; `channels` for npz. Raises UsageError, one line, for an unknown name, a
    missing or unusable file, or data that breaks the rules of its kind.
    """
    if file is not None and name not in (*_FROM_FILES, "npz"):
        raise UsageError(f"the data set '{name}' takes no file; remove data.file, or use data.name = \"npz\"")
    if seed < 0:
        raise UsageError(f"seed {seed}: must be 0 or larger")
    if name not in DATASET_NAMES:
        return own_dataset(name, find("dataset", name), seed)
    path = None if file is None else expanded(file)
    if name in _FROM_FILES:
        return _FROM_FILES[name](path)
    match name:
        case "digits":
            return load_digits()
        case "mnist1d":
            return mnist1d(seed)
        case "gaussian-line":
            return gaussian_line(seed, samples, slope, noise)
        case _:
            if path is None:
                raise UsageError(
                    "the data set 'npz' needs a file: set data.file to an .npz file with the arrays x and y"
                )
            return load_npz(path, channels)
