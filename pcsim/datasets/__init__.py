"""The data sets a scenario can name, and the reading and checking of a user's own."""

from pcsim.datasets.checks import require_range
from pcsim.datasets.dataset import Dataset, first_batch
from pcsim.datasets.load import DATASET_NAMES, depends_on_seed, load_dataset
from pcsim.datasets.scaling import PixelScaling, standardised
from pcsim.datasets.targets import INPUT, OUTPUT, End, check_labels, targets

__all__ = [
    "DATASET_NAMES",
    "INPUT",
    "OUTPUT",
    "Dataset",
    "End",
    "PixelScaling",
    "check_labels",
    "depends_on_seed",
    "first_batch",
    "load_dataset",
    "require_range",
    "standardised",
    "targets",
]
