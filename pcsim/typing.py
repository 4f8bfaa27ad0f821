"""The type of a numpy array, as annotations of shapes can hold it."""

from typing import Any, TypeAlias, TypeVar

import numpy as np

_Scalar_co = TypeVar("_Scalar_co", bound=np.generic, covariant=True)

# From 2.5 on, numpy's own NDArray is a lazy alias, which jaxtyping takes for no array at all.
NDArray: TypeAlias = np.ndarray[tuple[Any, ...], np.dtype[_Scalar_co]]
