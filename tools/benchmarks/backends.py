"""The backends that can be timed here."""

from collections.abc import Sequence

from pcsim.engine.backend import Backend
from pcsim.engine.registry import installed_backends, load_backend
from pcsim.errors import UsageError

FAST = ("numpy", "jax", "numba", "cupy")


def usable_backends(names: Sequence[str] = FAST) -> tuple[dict[str, Backend], list[str]]:
    """Return those of the backends named that can be used here, and a sentence on each of the others."""
    found: dict[str, Backend] = {}
    others: list[str] = []
    for name in names:
        if name not in installed_backends():
            continue
        try:
            backend = load_backend(name)
            able = backend.capabilities()
        except UsageError as error:
            others.append(str(error))
            continue
        if able.problem is None:
            found[name] = backend
        else:
            others.append(f"{name} is left out: {able.problem}")
    return found, others


def devices(backends: dict[str, Backend]) -> str:
    """Return what each backend runs on, in words."""
    return ", ".join(f"{name} on {backend.capabilities().device}" for name, backend in backends.items())
