"""The arrays of a run on JAX: their types, the way there and back, and the settings they are computed under."""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from pcsim.engine.backend import Task
from pcsim.learning.pixels import Pixels, Samples
from pcsim.model.arrays import Array, Namespace
from pcsim.typing import NDArray
from pcsim_jax.namespace import JaxNamespace
from pcsim_jax.number.narrow import Narrow, NarrowNamespace

jax.tree_util.register_dataclass(Pixels, data_fields=["stored", "table", "first"], meta_fields=[])

DTYPES: dict[str, np.dtype[Any]] = {
    "bfloat16": np.dtype(ml_dtypes.bfloat16),
    "float32": np.dtype(np.float32),
    "float64": np.dtype(np.float64),
}

Put: TypeAlias = Callable[[NDArray[Any]], Array]
"""Brings a host array to where it is computed with."""

SETTINGS: dict[str, Any] = {
    "enable_x64": True,
    "default_matmul_precision": "highest",
    "numpy_dtype_promotion": "standard",
    "numpy_rank_promotion": "allow",
    "disable_jit": False,
    "debug_nans": False,
    "debug_infs": False,
    "debug_key_reuse": False,
    "check_tracer_leaks": False,
    "no_tracing": False,
    "no_execution": False,
    "threefry_partitionable": True,
    "transfer_guard_host_to_device": "allow",
    "transfer_guard_device_to_device": "allow",
    "transfer_guard_device_to_host": "allow",
}
"""What JAX computes with, or refuses to: names of its context managers, and what a run needs of each."""


@contextmanager
def settings() -> Generator[None]:
    """Have JAX as a run needs it, whatever the user has set, in this thread and until left; also a decorator."""
    with ExitStack() as stack:
        for name, value in SETTINGS.items():
            stack.enter_context(getattr(jax, name)(value))
        yield


def namespace(precision: str) -> Namespace:
    """Return the functions that compute in a precision."""
    return NarrowNamespace() if precision == "bfloat16" else JaxNamespace()


@settings()
def to_run(array: NDArray[np.float64], precision: str, put: Put = jnp.asarray) -> Array:
    """Return a host array, rounded, on the device, or where it is `put`."""
    return _placed(array, precision, put)


def samples_to_run(samples: Samples, precision: str, put: Put = jnp.asarray) -> Array | Pixels:
    """Return samples to learn from on the device, or where they are `put`; bytes stay bytes."""
    if isinstance(samples, Pixels):
        return samples.on(put, partial(_placed, precision=precision, put=put))
    return _placed(samples, precision, put)


def to_host(array: Array) -> NDArray[Any]:
    """Return an array of the run on the host: bfloat16 as float32, since no file knows it."""
    return np.asarray(array.values if isinstance(array, Narrow) else array)


@settings()
def arguments(task: Task) -> tuple[tuple[dict[str, Array], ...], Array, Array, tuple[Array, ...] | None]:
    """Return parameters, input, target and initial variables of a task as arrays of the run."""
    return task.arrays(partial(_placed, precision=task.precision))


def _placed(array: NDArray[np.float64], precision: str, put: Put = jnp.asarray) -> Array:
    on_device = put(array.astype(DTYPES[precision]))
    return Narrow(on_device) if precision == "bfloat16" else on_device
