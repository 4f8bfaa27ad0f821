"""Calls on a cluster: Dask's workers, wherever they are, behind a scheduler that is running."""

import json
import socket
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from pcsim.errors import UsageError
from pcsim.jobs.executor import Call, Lost, Outcome, attempt
from pcsim.jobs.threads import one_thread
from pcsim.version import __version__

PATIENCE = 10.0
"""Seconds that a scheduler has to answer."""
_AGAIN = 0.1
"""Seconds between two tries to reach it."""
AHEAD = 2
"""Calls in the scheduler's hands for every worker, and at least."""


class Cluster:
    """The workers of a Dask scheduler, by its address (`tcp://host:8786`) or the file that it has written."""

    def __init__(self, address: str) -> None:
        """Connect; UsageError, one line, where nobody answers, Dask is not installed or a worker has another pcsim."""
        try:
            from distributed import Client
        except ImportError:
            raise UsageError("--cluster needs Dask: pip install 'pcsim[cluster]'") from None
        if "://" not in address and not Path(address).is_file():
            raise UsageError(
                f"--cluster {address}: no such scheduler file; give that, or an address as tcp://host:8786"
            )
        self._client = _connected(address, Client)
        try:
            _require_same(self._client.run(_version, on_error="return"))
        except BaseException:
            self.close()
            raise

    def run(self, function: Callable[..., Any], calls: Iterable[Call]) -> Generator[Outcome]:
        """Yield what comes of every call; one whose worker dies is tried again on another."""
        from distributed import as_completed

        waiting, begun = enumerate(calls), dict[str, int]()
        done: Any = as_completed(loop=self._client.loop)
        try:
            while True:
                places = max(1, sum(self._client.nthreads().values()))
                while len(begun) < AHEAD * places and (found := next(waiting, None)) is not None:
                    future: Any = self._client.submit(_carried_out, __version__, function, found[1], pure=False)
                    begun[future.key] = found[0]
                    done.add(future)
                if not begun:
                    return
                future = next(done)
                number = begun.pop(future.key)
                yield _outcome(number, future)
        finally:
            self._client.cancel(list(done.futures))
            self.close()

    def close(self) -> None:
        """Leave the scheduler; what a worker has begun goes on there."""
        self._client.close()


def _connected(address: str, connect: Callable[..., Any]) -> Any:
    """Return a client of a scheduler that answers in time, whatever is at its address."""
    place = {"scheduler_file" if "://" not in address else "address": address}
    try:
        where = address if "://" in address else str(json.loads(Path(address).read_text())["address"])
        _require_answer(where, time.monotonic() + PATIENCE)
        return connect(**place, timeout=PATIENCE, set_as_default=False)
    except OSError:
        raise UsageError(
            f"--cluster {address}: no scheduler answers within {PATIENCE:g} s; start one with dask scheduler, and "
            "workers with dask worker --nthreads 1"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        text = error if isinstance(error, ValueError) else "this is no file of a scheduler"
        raise UsageError(
            f"--cluster {address}: {text}; give a scheduler file, or an address as tcp://host:8786"
        ) from None
    except Exception as error:
        raise UsageError(
            f"--cluster {address}: what answers is no Dask scheduler of a version like the one here "
            f"({type(error).__name__}); install the same on both"
        ) from None


def _require_answer(address: str, deadline: float) -> None:
    """Raise OSError unless somebody at an address speaks up by then, as schedulers do.

    Dask's own limit does not hold while a name is looked up, or where somebody listens who says nothing.
    """
    from distributed.comm.addressing import parse_host_port
    from distributed.comm.registry import get_backend

    kind, _, rest = address.partition("://")
    get_backend(kind)
    if kind not in ("tcp", "tls"):
        return
    place: tuple[str, int] = parse_host_port(rest)
    answers: SimpleQueue[tuple[Any, Exception | None]] = SimpleQueue()

    def ask() -> None:
        while time.monotonic() < deadline:
            with suppress(ConnectionRefusedError), socket.create_connection(place, timeout=PATIENCE) as line:
                # Over TLS it is for us to begin.
                if kind == "tls" or line.recv(1):
                    return
            time.sleep(_AGAIN)  # it may be about to start
        raise TimeoutError

    Thread(target=lambda: answers.put(attempt(ask, ())), daemon=True).start()
    try:
        _, error = answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except Empty:
        error = TimeoutError()
    if error is not None:
        raise error


def _require_same(versions: Mapping[str, Any]) -> None:
    """Raise `UsageError` unless all workers have this pcsim, by what each has answered."""
    for worker, version in versions.items():
        if isinstance(version, BaseException):
            raise UsageError(f"{worker} has no pcsim that can be used ({version}); install pcsim {__version__} there")
        if version != __version__:
            raise UsageError(_other_version(worker, version, __version__))


def _outcome(number: int, future: Any) -> Outcome:
    error = future.exception()
    if error is None:
        return Outcome(number, *future.result())
    # What the call itself raises is its value; this is of what carried it out.
    return Outcome(number, error=Lost(f"no worker came to its end ({type(error).__name__}: {error})"))


def _carried_out(version: str, function: Callable[..., Any], call: Call) -> tuple[Any, Exception | None]:
    if version != __version__:
        return None, UsageError(_other_version("a worker", __version__, version))
    with one_thread():
        return attempt(function, call)


def _version() -> str:
    return __version__


def _other_version(worker: str, theirs: str, ours: str) -> str:
    return f"{worker} has pcsim {theirs}, this is {ours}; install the same on both"
