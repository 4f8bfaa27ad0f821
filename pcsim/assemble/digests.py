"""What tells the data and weights of a run from others: SHA-256 digests of what was read."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from pcsim.assemble.masks import build_mask
from pcsim.datasets import Dataset
from pcsim.scenario import Scenario
from pcsim.trace.digest import sha256_of
from pcsim.typing import NDArray


def data_sha256(scenario: Scenario, dataset: Dataset) -> str:
    """Return the digest of all samples, those to test on and a stored mask included."""
    arrays = dict(dataset.parts)
    if scenario.data.mask == "file" and (mask := build_mask(scenario, dataset, 0)) is not None:
        arrays["mask"] = mask
    if any(values.flags.writeable for values in arrays.values()):
        return _sha256(arrays)
    return _of_unchanging(_Unchanging(arrays))


class _Unchanging:
    """Arrays that cannot be written to, equal where they are the same ones."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.arrays = arrays
        self._key = tuple((name, id(values)) for name, values in arrays.items())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unchanging) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


@lru_cache(maxsize=1)
def _of_unchanging(held: _Unchanging) -> str:
    return _sha256(held.arrays)


def _sha256(arrays: dict[str, NDArray[Any]]) -> str:
    if arrays["x"].ndim < 3:
        # Bytes that are no images were kept in float64 once, and traces know them by that.
        arrays = {name: values.astype(np.float64) if name[0] == "x" else values for name, values in arrays.items()}
    return sha256_of(arrays)


def parameters_sha256(parameters: Sequence[Mapping[str, NDArray[np.float64]]]) -> str:
    """Return the digest of parameters by layer."""
    return sha256_of({f"{name}{i}": values for i, layer in enumerate(parameters) for name, values in layer.items()})
