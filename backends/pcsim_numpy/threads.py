"""How many threads BLAS may use: one for products that are too short to share."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from pcsim.engine.host import SHORT_PRODUCT
from pcsim.model.arrays import Parameters


def blas_threads(parameters: Sequence[Parameters], rows: int) -> AbstractContextManager[Any]:
    """Keep the products of so many rows on one thread if most are short; the rule depends on sizes alone, as bits must.

    The first layer's product, once for every input, does not count.
    """
    widest = max(array.size for layer in parameters[1:] or parameters for array in layer.values())
    return _threadpools().limit(limits=1 if 2 * rows * widest < SHORT_PRODUCT else None, user_api="blas")


@cache
def _threadpools() -> ThreadpoolController:
    return ThreadpoolController()
