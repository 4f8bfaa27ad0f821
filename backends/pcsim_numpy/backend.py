"""The numpy backend: the plain loop on the CPU, in float32 or float64."""

import platform
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim.backend import Capabilities, Settled, Task
from pcsim.loop import settle
from pcsim.trace.layout import Block
from pcsim_numpy.namespace import NumpyNamespace

DTYPES = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}


class NumpyBackend:
    """Runs the core on numpy arrays; the reference for every other backend."""

    def capabilities(self) -> Capabilities:
        """Return what numpy can do anywhere."""
        return Capabilities(
            device=f"cpu ({platform.machine()})",
            precisions=tuple(DTYPES),
            methods=("state", "error", "sequential", "backprop"),
            layers=("dense",),
        )

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[int], bool]) -> Settled:
        """Run inference; overflow shows as a non-finite energy, which the loop reports."""
        dtype = DTYPES[task.precision]

        def to_run(array: NDArray[np.float64]) -> NDArray[Any]:
            return np.ascontiguousarray(array, dtype=dtype)

        with np.errstate(all="ignore"):
            return settle(NumpyNamespace(), task, to_run, np.asarray, sink, poll)
