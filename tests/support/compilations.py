"""How often XLA compiles, as JAX reports it itself."""

from collections.abc import Generator
from contextlib import contextmanager

from jax import monitoring

EVENT = "/jax/core/compile/backend_compile_duration"


@contextmanager
def compilations() -> Generator[list[float]]:
    """Collect the seconds of every compilation until left."""
    found: list[float] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event == EVENT:
            found.append(duration_secs)

    monitoring.register_event_duration_secs_listener(listen)
    try:
        yield found
    finally:
        monitoring.unregister_event_duration_listener(listen)
