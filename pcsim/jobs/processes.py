"""Calls in processes of this machine, which end when this one says so, do not outlive it, and are replaced."""

import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import wait
from typing import Any

from pcsim.errors import Interrupted
from pcsim.jobs.executor import Call, Lost, Outcome
from pcsim.jobs.serving import GRACE, serve

TRIES = 2
"""Of a call whose process goes away."""
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_MARGIN = 2.0


class Processes:
    """So many processes, each a fresh one: forking would copy threads of numerical libraries in an unknown state."""

    def __init__(self, count: int) -> None:
        self.count = count

    def run(self, function: Callable[..., Any], calls: Iterable[Call]) -> Generator[Outcome]:
        """Yield what comes of every call; one whose process goes away is tried once more, in another one."""
        queue, crew = _Queue(calls), list[_Worker]()
        try:
            while True:
                while (busy := [worker for worker in crew if worker.is_busy]) != crew or len(crew) < self.count:
                    job = queue.take()
                    if job is None:
                        break
                    if len(busy) == len(crew):
                        crew.append(_Worker())
                    next(worker for worker in crew if not worker.is_busy).begin(function, job)
                if not busy:
                    return
                ready = wait([worker.connection for worker in busy])
                for worker in [worker for worker in busy if worker.connection in ready]:
                    job, outcome = worker.end()
                    if worker.gone:
                        crew.remove(worker)
                    if outcome is None or isinstance(outcome.error, Interrupted):
                        outcome = queue.again(job, worker.why)
                    if outcome is not None:
                        yield outcome
        finally:
            _dismiss(crew)


class _Job:
    def __init__(self, number: int, call: Call) -> None:
        self.number, self.call, self.tries = number, call, 0


class _Queue:
    """Calls to begin: those to be tried again first."""

    def __init__(self, calls: Iterable[Call]) -> None:
        self._calls: Iterator[tuple[int, Call]] = enumerate(calls)
        self._again: deque[_Job] = deque()

    def take(self) -> _Job | None:
        if self._again:
            return self._again.popleft()
        found = next(self._calls, None)
        return None if found is None else _Job(*found)

    def again(self, job: _Job, why: str) -> Outcome | None:
        """Put a job that was lost back, or return that this has happened often enough."""
        job.tries += 1
        if job.tries < TRIES:
            self._again.append(job)
            return None
        return Outcome(job.number, error=Lost(f"its process {why}, {TRIES} times"))


class _Worker:
    """A process and the pipe to it, which closes with this process, whatever ends that."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        with _signals_held_back(), _one_thread_each():
            self._process.start()
        theirs.close()
        self._job: _Job | None = None
        self.gone = False

    @property
    def is_busy(self) -> bool:
        return self._job is not None

    def begin(self, function: Callable[..., Any], job: _Job) -> None:
        self._job = job
        with suppress(OSError):  # it is gone, which shows when its answer is waited for
            self.connection.send((function, job.call))

    def end(self) -> tuple[_Job, Outcome | None]:
        """Return the job that is over, and what came of it; None where the process went away over it."""
        job, self._job = self._job, None
        if job is None:
            raise ValueError("this worker has nothing to do")
        try:
            value, error = self.connection.recv()
        except (EOFError, OSError):
            self.gone = True
            self._process.join()
            self.connection.close()
            return job, None
        return job, Outcome(job.number, value, error)

    @property
    def why(self) -> str:
        """How the process went away, in words."""
        code = self._process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            return f"was killed by {name}" + (", perhaps for want of memory" if name == "SIGKILL" else "")
        return "was stopped" if code is None else f"ended with exit code {code}"

    def leave(self) -> None:
        if not self.gone:
            self.connection.close()

    def wait_for_end(self) -> None:
        self._process.join(GRACE + _MARGIN)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def _dismiss(crew: Sequence[_Worker]) -> None:
    for worker in crew:
        worker.leave()
    for worker in crew:
        worker.wait_for_end()


@contextmanager
def _one_thread_each() -> Generator[None]:
    """Have the environment tell libraries of numerics that are loaded by processes started meanwhile to take one."""
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


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
