"""numpy for the core itself: what is computed about runs, on the host in float64, and not in them."""

from typing import Protocol, cast, runtime_checkable

from pcsim.arrays import Namespace
from pcsim.backend import Backend
from pcsim.registry import load_backend


@runtime_checkable
class HostBackend(Backend, Protocol):
    """A backend on numpy arrays."""

    @property
    def namespace(self) -> Namespace: ...


def host_namespace() -> Namespace:
    """Return numpy as the core's array namespace."""
    return cast("HostBackend", load_backend("numpy")).namespace
