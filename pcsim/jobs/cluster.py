"""Calls on a cluster: Dask's workers, wherever they are, behind a scheduler that is running."""

from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

from pcsim.errors import UsageError
from pcsim.jobs.executor import Call, Lost, Outcome, attempt
from pcsim.jobs.threads import one_thread
from pcsim.version import __version__

PATIENCE = 10.0
"""Seconds that a scheduler has to answer."""
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
        place: dict[str, Any] = {"scheduler_file" if "://" not in address else "address": address}
        if "://" not in address and not Path(address).is_file():
            raise UsageError(
                f"--cluster {address}: no such scheduler file; give that, or an address as tcp://host:8786"
            )
        try:
            self._client: Any = Client(**place, timeout=PATIENCE, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise UsageError(
                f"--cluster {address}: no scheduler answers within {PATIENCE:g} s ({type(error).__name__}); start one "
                "with dask scheduler, and workers with dask worker --nthreads 1"
            ) from None
        for worker, version in self._client.run(_version).items():
            if version != __version__:
                self._client.close()
                raise UsageError(_other_version(worker, version, __version__))

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
