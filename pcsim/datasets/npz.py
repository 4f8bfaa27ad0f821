"""A user's own data: an .npz file with x and y, and x_test and y_test where there is a test set."""

from pathlib import Path

from pcsim.datasets.archive import read_arrays
from pcsim.datasets.arrays import KERAS, Channels, dataset_of
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.kept import kept


@kept
def load_npz(path: Path, channels: Channels = "last") -> Dataset:
    """Return the data of an .npz file, whose arrays are those of `dataset_of`.

    Raises UsageError, one line, for anything else.
    """
    arrays = read_arrays(path, ("x", "y"), ("x_test", "y_test"), synonyms=KERAS)
    return dataset_of("npz", arrays, str(path), f"user data from {path}", channels)
