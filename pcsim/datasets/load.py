"""One way to every data set a scenario can name."""

from pathlib import Path

from pcsim.datasets.dataset import Dataset
from pcsim.datasets.digits import load_digits
from pcsim.datasets.gaussian_line import gaussian_line
from pcsim.datasets.mnist import FASHION_MNIST, MNIST, load_image_set
from pcsim.datasets.mnist1d import mnist1d
from pcsim.datasets.npz import load_npz
from pcsim.errors import UsageError, did_you_mean
from pcsim.resources import expanded

DATASET_NAMES = ("digits", "mnist", "fashion-mnist", "mnist1d", "gaussian-line", "npz")
_READ_FROM_FILE = ("mnist", "fashion-mnist", "npz")


def load_dataset(
    name: str,
    *,
    file: Path | None = None,
    seed: int = 0,
    samples: int | None = None,
    slope: float = -1.0,
    noise: float = 0.0,
) -> Dataset:
    """Return the data set of that name.

    `file` is for mnist, fashion-mnist and npz; `seed` for mnist1d and gaussian-line; `samples` (1024 unless
    given), `slope` and `noise` for gaussian-line. Raises UsageError, one line, for an unknown name, a missing
    or unusable file, or data that breaks the rules of its kind.
    """
    if name not in DATASET_NAMES:
        hint = did_you_mean(name, list(DATASET_NAMES))
        raise UsageError(f"no data set is named '{name}'; allowed are {', '.join(DATASET_NAMES)}{hint}")
    if file is not None and name not in _READ_FROM_FILE:
        raise UsageError(f"the data set '{name}' takes no file; remove data.file, or use data.name = \"npz\"")
    if seed < 0:
        raise UsageError(f"seed {seed}: must be 0 or larger")
    path = None if file is None else expanded(file)
    match name:
        case "digits":
            return load_digits()
        case "mnist1d":
            return mnist1d(seed)
        case "gaussian-line":
            return gaussian_line(seed, samples, slope, noise)
        case "mnist":
            return load_image_set(MNIST, path)
        case "fashion-mnist":
            return load_image_set(FASHION_MNIST, path)
        case _:
            if path is None:
                raise UsageError(
                    "the data set 'npz' needs a file: set data.file to an .npz file with the arrays x and y"
                )
            return load_npz(path)
