"""From a scenario's words to the units of a sample that are hidden."""

import math

import numpy as np

from pcsim.assemble.roles import named
from pcsim.datasets import Dataset
from pcsim.datasets.archive import read_arrays
from pcsim.errors import UsageError
from pcsim.scenario import Masked, Scenario
from pcsim.typing import NDArray

Mask = NDArray[np.bool_]
"""(units of a sample,), true where hidden."""


def build_mask(scenario: Scenario, dataset: Dataset, seed: int) -> Mask | None:
    """Return which units of a flat sample are hidden, None where none are; `seed` is that of the data.

    Raises `UsageError` for a half of samples that are no images, a file without a fitting array, and where all or none
    are hidden.
    """
    given = scenario.data.mask
    if given is None:
        return None
    with named(scenario, "data.mask"):
        if isinstance(given, Masked):
            mask = _drawn(given.share, math.prod(dataset.sample_shape), seed)
        elif given == "file":
            mask = _stored(scenario, dataset)
        else:
            mask = _half(given, dataset)
        if mask.all() or not mask.any():
            which = "all" if mask.all() else "none"
            raise UsageError(f"{which} of the {mask.size} units of a sample are hidden; hide some and leave some")
    return mask


def _drawn(share: float, units: int, seed: int) -> Mask:
    mask = np.zeros(units, dtype=np.bool_)
    mask[np.random.default_rng([seed, 6]).permutation(units)[: round(share * units)]] = True
    return mask


def _stored(scenario: Scenario, dataset: Dataset) -> Mask:
    path = scenario.data.file
    if scenario.data.name != "npz" or path is None:
        raise UsageError(f'the data set \'{dataset.name}\' has no mask of its own; mask = "file" is for name = "npz"')
    found = read_arrays(path, ("mask",))["mask"]
    if found.shape != dataset.sample_shape or not np.isin(found, (0, 1)).all():
        raise UsageError(
            f"{path}: array 'mask' has shape {found.shape} and type {found.dtype}; needed are flags of the shape of "
            f"a sample, {dataset.sample_shape}, true where hidden"
        )
    return found.astype(np.bool_).ravel()


def _half(side: str, dataset: Dataset) -> Mask:
    units = math.prod(dataset.sample_shape)
    edge = math.isqrt(units)
    shape = dataset.sample_shape if len(dataset.sample_shape) in {2, 3} else (edge, edge)
    if math.prod(shape) != units:
        raise UsageError(
            f"a sample of '{dataset.name}' has shape {dataset.sample_shape} and is no image with a {side}; write a "
            "share, as in { share = 0.5 }"
        )
    mask, (rows, columns, *_) = np.zeros(shape, dtype=np.bool_), shape
    place = {
        "top": np.s_[: rows // 2],
        "bottom": np.s_[rows - rows // 2 :],
        "left": np.s_[:, : columns // 2],
        "right": np.s_[:, columns - columns // 2 :],
    }[side]
    mask[place] = True
    return mask.ravel()
