"""Runs in processes of their own, which end when this one says so, and do not outlive it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any

from pcsim.interruption import stopping_at_once

GRACE = 10.0
"""Seconds that a worker has to finish its trace once it is to stop."""
SHORT = 0.5


@contextmanager
def running_apart(function: Callable[..., None], calls: Sequence[tuple[Any, ...]]) -> Generator[list[Future[None]]]:
    """Call a function in other processes, at most one a core at a time, and yield what will come of each call.

    Whatever ends the block otherwise than in the usual way, a signal above all, cancels the calls that wait and stops
    those that run, as SIGTERM would.
    """
    # A fresh process each: forking would copy threads of numerical libraries in an unknown state.
    context = get_context("spawn")
    # Its other end is here alone: it closes with this process, whatever ends that.
    reader, writer = context.Pipe(duplex=False)
    with _signals_held_back():  # from what Python starts beside the workers
        pool = ProcessPoolExecutor(mp_context=context, initializer=_obey, initargs=(reader,))
    try:
        with stopping_at_once():
            with _signals_held_back():
                futures = [pool.submit(_unless_over, function, *call) for call in calls]
            yield futures
        pool.shutdown()
    finally:
        writer.close()
        pool.shutdown(cancel_futures=True)
        reader.close()


@contextmanager
def _signals_held_back() -> Generator[None]:
    """Keep what a terminal sends to all its processes from those started meanwhile: it is for this one to tell them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_over, _idle = threading.Event(), threading.Event()
"""Of a worker: nothing more is to begin, and no call is under way."""
_idle.set()


def _unless_over(function: Callable[..., None], *given: Any) -> None:
    # A pool hands out one call more than it has workers, which can then not be cancelled.
    if _over.is_set():
        return
    _idle.clear()
    try:
        function(*given)
    finally:
        _idle.set()


def _obey(reader: Connection) -> None:
    """Begin to listen, in a worker, for the end."""
    threading.Thread(target=_stop_at_the_end_of, args=(reader,), daemon=True).start()


def _stop_at_the_end_of(reader: Connection) -> None:
    reader.poll(None)  # nothing is ever sent: this returns when the other end is closed
    _over.set()
    os.kill(os.getpid(), signal.SIGTERM)
    _idle.wait(GRACE)
    time.sleep(SHORT)  # to tell a process that listens what came of the call
    os._exit(128 + signal.SIGTERM)
