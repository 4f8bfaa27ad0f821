"""What tells the data and weights of a run from others: SHA-256 digests of what was read."""

from collections.abc import Mapping, Sequence

import numpy as np

from pcsim.assemble.masks import build_mask
from pcsim.datasets import Dataset
from pcsim.scenario import Scenario
from pcsim.trace.digest import sha256_of
from pcsim.typing import NDArray


def data_sha256(scenario: Scenario, dataset: Dataset) -> str:
    """Return the digest of all samples, those to test on and a stored mask included."""
    arrays = dict(dataset.parts)
    if len(dataset.sample_shape) < 2:
        # Bytes that are no images were kept in float64 once, and traces know them by that.
        arrays |= {name: values.astype(np.float64) for name, values in arrays.items() if name.startswith("x")}
    if scenario.data.mask == "file" and (mask := build_mask(scenario, dataset, 0)) is not None:
        arrays["mask"] = mask
    return sha256_of(arrays)


def parameters_sha256(parameters: Sequence[Mapping[str, NDArray[np.float64]]]) -> str:
    """Return the digest of parameters by layer."""
    return sha256_of({f"{name}{i}": values for i, layer in enumerate(parameters) for name, values in layer.items()})
