"""numpy for the core itself: what is computed about runs, on the host in float64, and not in them."""

from typing import Protocol, cast, runtime_checkable

from pcsim.engine.backend import Backend
from pcsim.engine.registry import load_backend
from pcsim.model.arrays import Namespace


@runtime_checkable
class HostBackend(Backend, Protocol):
    """A backend on numpy arrays."""

    @property
    def namespace(self) -> Namespace: ...


def host_namespace() -> Namespace:
    """Return numpy as the core's array namespace."""
    return cast("HostBackend", load_backend("numpy")).namespace
