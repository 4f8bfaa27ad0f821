"""What numpy computes in, and what is said of the rest before anything starts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from pcsim.errors import UsageError
from pcsim.inference.steppers import Adam, Stepper, innermost

DTYPES: Mapping[str, np.dtype[Any]] = {"float32": np.dtype(np.float32), "float64": np.dtype(np.float64)}
TRAINING = '{} trains in float32 and float64; use one of these, or backend = "jax" for bfloat16'
"""What a backend says that keeps weights in no other type."""


def check_eps(precision: str, stepper: Stepper) -> None:
    """Raise `UsageError` for an Adam whose ε is 0 in float16."""
    plain = innermost(stepper)
    if precision == "float16" and isinstance(plain, Adam) and np.float16(plain.eps) == 0:
        raise UsageError(f"inference.eps = {plain.eps:g} is 0 in float16; give 1e-7 or more, 1e-4 is safe")


def check_training(backend: str, precision: str) -> None:
    """Raise `UsageError` for a precision that weights are not kept in."""
    if precision not in DTYPES:
        raise UsageError(TRAINING.format(backend))
