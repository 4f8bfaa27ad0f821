"""A device with too little memory, said as Python says it."""

from collections.abc import Generator
from contextlib import contextmanager

import jax


@contextmanager
def memory_errors() -> Generator[None]:
    """Raise `MemoryError` where JAX says that the device has too little."""
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" in str(error) or "OUT_OF_MEMORY" in str(error):  # of XLA, of its CUDA libraries
            raise MemoryError(str(error).splitlines()[0]) from error
        raise
