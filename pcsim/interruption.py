"""Ctrl-C, heard where it does no harm."""

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager


@contextmanager
def deferred_interrupt() -> Generator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a request that the loop can see, so that no row or file is torn; a second one kills.

    Outside the main thread signals cannot be caught: nothing is deferred there.
    """
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(signum: int, frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
