"""Precisions: E_i = γ_i/2 ‖ε_i‖², or ½ ε_iᵀ Π_i ε_i with a matrix, the inverse covariance of a layer's errors.

−log of a Gaussian (Friston 2005) up to its normalisation, which is constant while states move.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64, Shaped

from pcsim.model.arrays import Array, Namespace, Values
from pcsim.typing import NDArray


@dataclass(frozen=True)
class PrecisionMatrix:
    """A symmetric positive definite matrix (n, n), or its diagonal (n,); hashable, as compiled programs need it."""

    stored: bytes
    shape: tuple[int, ...]

    @classmethod
    def of(cls, values: Values) -> "PrecisionMatrix":
        """Return the matrix (n, n), or that with a diagonal (n,); raises `ValueError` where it is no precision."""
        array = np.ascontiguousarray(values, dtype=np.float64)
        if array.ndim == 1:
            if not np.all(array > 0.0):
                raise ValueError("a number on its diagonal is not greater than 0")
            return cls(array.tobytes(), array.shape)
        if not np.allclose(array, array.T, rtol=1e-12, atol=0.0):
            raise ValueError("it is not symmetric")
        try:
            np.linalg.cholesky(array)
        except np.linalg.LinAlgError:
            raise ValueError("it is not positive definite") from None
        return cls((0.5 * (array + array.T)).tobytes(), array.shape)

    @cached_property
    def array(self) -> Float64[NDArray[np.float64], "..."]:
        """The numbers as they were given."""
        return np.frombuffer(self.stored).reshape(self.shape)

    @property
    def matrix(self) -> Float64[NDArray[np.float64], "n n"]:
        """All numbers of the matrix."""
        return np.diag(self.array) if len(self.shape) == 1 else self.array

    def times(self, v: Shaped[Array, "batch n"]) -> Shaped[Array, "batch n"]:
        """Return Π v of every sample, in the type of v."""
        here = self.array.astype(v.dtype)
        return here * v if len(self.shape) == 1 else v @ here


Precision: TypeAlias = Any
"""A number, an array (1,) in the type of the run while it is learned, or a matrix."""


def weighted(gamma: Precision, v: Shaped[Array, "batch ..."]) -> Shaped[Array, "batch ..."]:
    """Return γ v, or Π v."""
    if isinstance(gamma, PrecisionMatrix):
        return gamma.times(v)
    return v if _is_one(gamma) else gamma * v


def doubled_energy(xp: Namespace, gamma: Precision, error: Shaped[Array, "batch ..."]) -> Shaped[Array, " batch"]:
    """Return γ ‖ε‖², or εᵀ Π ε, of every sample in the wide type."""
    if isinstance(gamma, PrecisionMatrix):
        return xp.sum(xp.wide(error) * xp.wide(gamma.times(error)), axis=1)
    square = xp.sum_of_squares(error)
    return square if _is_one(gamma) else gamma * square


def matrices(precisions: Sequence[Precision]) -> list[Any]:
    """Return precisions with matrices as arrays (n, n)."""
    return [gamma.matrix if isinstance(gamma, PrecisionMatrix) else gamma for gamma in precisions]


def _is_one(gamma: Precision) -> bool:
    """Tell whether a precision is the number 1; one that is learned is an array."""
    return isinstance(gamma, int | float) and gamma == 1.0
