"""The other side of a pipe: a process that carries out one call after another until its pipe is closed."""

import os
import pickle
import signal
import threading
import traceback
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from pcsim.errors import PcsimError, RunFailed
from pcsim.jobs.executor import attempt
from pcsim.jobs.threads import one_thread

GRACE = 10.0
"""Seconds that a process has to finish its trace once it is to stop."""


def serve(connection: Connection) -> None:
    """Answer calls, `(function, arguments)`, with `(value, error)`, for as long as somebody is at the other end."""
    calls: SimpleQueue[bytes] = SimpleQueue()
    idle = threading.Event()
    idle.set()
    threading.Thread(target=_listen, args=(connection, calls, idle), daemon=True).start()
    with one_thread():
        while True:
            answer = _told(*attempt(_carried_out, (calls.get(),)))
            idle.set()  # before the answer is out, which the next call may follow at once
            try:
                connection.send(answer)
            except OSError:  # nobody is there any more
                return
            except Exception as error:  # what pickle cannot send
                connection.send((None, RunFailed(f"{type(error).__name__}: {error}")))


def _listen(connection: Connection, calls: "SimpleQueue[bytes]", idle: threading.Event) -> None:
    """Pass on calls; at the end of them stop the one under way, as SIGTERM would, and leave."""
    while True:
        try:
            call = connection.recv_bytes()
        except (EOFError, OSError):
            break
        idle.clear()
        calls.put(call)
    if not idle.is_set():
        os.kill(os.getpid(), signal.SIGTERM)
        idle.wait(GRACE)
    os._exit(0)


def _carried_out(packed: bytes) -> Any:
    function, call = pickle.loads(packed)
    return function(*call)


def _told(value: Any, error: Exception | None) -> tuple[Any, Exception | None]:
    """Return an answer whose error tells where it was raised, unless that is one for users."""
    if error is not None and not isinstance(error, PcsimError | MemoryError):
        error.add_note("".join(traceback.format_exception(error)))
    return value, error
