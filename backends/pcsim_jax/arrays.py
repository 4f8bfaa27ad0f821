"""The arrays of a run on JAX: their types, the way there and back, and the settings they are computed under."""

from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from pcsim.engine.backend import Task
from pcsim.model.arrays import Array, Namespace
from pcsim.typing import NDArray
from pcsim_jax.namespace import JaxNamespace
from pcsim_jax.number.narrow import Narrow, NarrowNamespace

DTYPES: dict[str, np.dtype[Any]] = {
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}


@contextmanager
def settings() -> Generator[None]:
    """Allow float64 and forbid products in less than the type of the run, in this thread and until left."""
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        yield


def namespace(precision: str) -> Namespace:
    """Return the functions that compute in a precision."""
    return NarrowNamespace() if precision == "bfloat16" else JaxNamespace()


def to_run(array: NDArray[np.float64], precision: str) -> Array:
    """Return a host array, rounded, on the device."""
    with settings():
        on_device = jnp.asarray(array.astype(DTYPES[precision]))
    return Narrow(on_device) if precision == "bfloat16" else on_device


def to_host(array: Array) -> NDArray[Any]:
    """Return an array of the run on the host: bfloat16 as float32, since no file knows it."""
    return np.asarray(array.values if isinstance(array, Narrow) else array)


def arguments(task: Task) -> tuple[tuple[dict[str, Array], ...], Array, Array, tuple[Array, ...] | None]:
    """Return parameters, input, target and initial variables of a task as arrays of the run."""
    return task.arrays(partial(to_run, precision=task.precision))
