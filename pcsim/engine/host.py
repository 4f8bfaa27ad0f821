"""numpy for the core itself: what is computed about runs, on the host in float64, and not in them."""

from typing import Protocol, cast, runtime_checkable

from pcsim.engine.backend import Backend
from pcsim.engine.registry import load_backend
from pcsim.model.arrays import Namespace

SHORT_PRODUCT = 1e9
"""Floating-point operations of a matrix product below which one BLAS thread does it.

Two that share it wait for each other: 40 ms a product where other programs want the processors, too, which is as long
as the product itself takes.
"""


@runtime_checkable
class HostBackend(Backend, Protocol):
    """A backend on numpy arrays."""

    @property
    def namespace(self) -> Namespace: ...


def host_namespace() -> Namespace:
    """Return numpy as the core's array namespace."""
    return cast("HostBackend", load_backend("numpy")).namespace
