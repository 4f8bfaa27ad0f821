"""How numbers of a run are stored on the device, and what kernels are compiled with for it."""

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from pcsim.typing import NDArray


@dataclass(frozen=True)
class Storage:
    """A precision on the device: what numbers are (`format`), and the type of the arrays that hold their bits.

    Narrow formats come back in float32, which every number of theirs fits in exactly.
    """

    format: np.dtype[Any]
    dtype: np.dtype[Any]
    macro: str

    @property
    def is_narrow(self) -> bool:
        """Whether numbers are computed in a wider type than they are stored in."""
        return self.format.itemsize == 2

    def packed(self, host: NDArray[Any]) -> NDArray[Any]:
        """Return a host array rounded to nearest, as it is stored."""
        return np.ascontiguousarray(host, dtype=self.format).view(self.dtype)

    def unpacked(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Return the numbers of a stored array on the host."""
        return stored.view(self.format).astype(np.float32) if self.is_narrow else stored


STORAGES = {
    "float16": Storage(np.dtype(np.float16), np.dtype(np.uint16), "PCSIM_FLOAT16"),
    "bfloat16": Storage(np.dtype(ml_dtypes.bfloat16), np.dtype(np.uint16), "PCSIM_BFLOAT16"),
    "float32": Storage(np.dtype(np.float32), np.dtype(np.float32), "PCSIM_FLOAT32"),
    "float64": Storage(np.dtype(np.float64), np.dtype(np.float64), "PCSIM_FLOAT64"),
}
