"""How many threads BLAS may use: one for products that are too short to share."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from pcsim.engine.host import SHORT_PRODUCT
from pcsim.model.network import Network


def blas_threads(network: Network, rows: int) -> AbstractContextManager[Any]:
    """Keep the products of so many rows on one thread if most are short; the rule depends on sizes alone, as bits must.

    The first layer's product, once for every input, does not count.
    """
    layers = network.layers[1:] or network.layers
    return threads_for(2 * rows * max(part.multiplications for layer in layers for part in layer.parts))


def threads_for(operations: int) -> AbstractContextManager[Any]:
    """Keep products on one thread where the longest takes few operations."""
    return _threadpools().limit(limits=1 if operations < SHORT_PRODUCT else None, user_api="blas")


@cache
def _threadpools() -> ThreadpoolController:
    return ThreadpoolController()
