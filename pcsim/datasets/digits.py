"""The data set that ships: 8×8 images of handwritten digits."""

from pcsim.datasets.archive import read_arrays
from pcsim.datasets.dataset import Dataset
from pcsim.datasets.scaling import PixelScaling
from pcsim.resources import data_dir

_SOURCE = "UCI Optical Recognition of Handwritten Digits, test part (Alpaydin and Kaynak 1998), CC BY 4.0"
_SCALING = PixelScaling(16.0)


def load_digits() -> Dataset:
    """Return 1437 training and 360 test images of shape (8, 8), scaled to [−1, 1], with labels 0 … 9.

    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, https://doi.org/10.24432/C50P49; data/README.md says how the file was made.
    """
    arrays = read_arrays(data_dir() / "digits.npz", ("x_train", "y_train", "x_test", "y_test"))
    return Dataset(
        "digits",
        arrays["x_train"],
        arrays["y_train"].astype("i8"),
        arrays["x_test"],
        arrays["y_test"].astype("i8"),
        _SOURCE,
        _SCALING,
    )
