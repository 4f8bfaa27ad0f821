"""Requests to stop, by Ctrl-C, SIGTERM (Slurm, docker) or SIGHUP (a dropped line), heard where they do no harm."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, TypeAlias

from pcsim.errors import Interrupted

# Windows has no SIGHUP.
_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
_Handler: TypeAlias = Callable[[int, FrameType | None], Any]


class Stopped(KeyboardInterrupt):
    """A request to stop in the middle of what can be dropped."""

    def __init__(self, signum: int) -> None:
        super().__init__(words_of(signum))
        self.signum = signum


class StopRequest:
    """Whether a run is to stop, and why: a signal, or an error that the user's own code raised."""

    def __init__(self) -> None:
        self.signum: int | None = None
        self.error: BaseException | None = None

    @property
    def asked(self) -> bool:
        """Whether to stop at the next whole step or update."""
        return self.signum is not None or self.error is not None

    def ask(self, signum: int, frame: FrameType | None) -> None:
        """Hear a signal: note the first, kill at Ctrl-C after that; the others come more than once by themselves."""
        if self.signum is not None and signum == signal.SIGINT:
            raise KeyboardInterrupt
        self.signum = self.signum or signum


def signal_of(error: BaseException | None) -> int:
    """Return the number of the signal that an interruption came by."""
    if isinstance(error, Interrupted | Stopped):
        return error.signum
    return signal.SIGINT


def words_of(signum: int) -> str:
    """Return `interrupted` after Ctrl-C, `interrupted by SIGTERM` and the like after other signals."""
    return "interrupted" if signum == signal.SIGINT else f"interrupted by {signal.Signals(signum).name}"


@contextmanager
def stop_requests() -> Generator[StopRequest]:
    """Turn signals that ask to stop into a request that the loop can see, so that no row or file is torn.

    What is ignored stays so (`nohup`, jobs in the background), and a handler of the user's own is called in the end.
    Outside the main thread signals cannot be caught: nothing is deferred there.
    """
    stop = StopRequest()
    before = {signum: handler for signum, handler in _handlers().items() if handler not in (signal.SIG_IGN, None)}
    try:
        with _heard_by(stop.ask, before):
            yield stop
    finally:
        if stop.signum is not None and not _is_plain(before[stop.signum]):
            before[stop.signum](stop.signum, None)


@contextmanager
def stopping_at_once() -> Generator[None]:
    """Raise `Stopped` at every signal that asks to stop, unless it is ignored or has a handler of the user's own."""
    with _heard_by(_raise, {s: h for s, h in _handlers().items() if _is_plain(h)}):
        yield


@contextmanager
def stopping_at_once_or_in_an_import() -> Generator[None]:
    """Do as `stopping_at_once`, but end the process where it imports.

    Packages take an error in the middle of their import for one of their own, print it or swallow it.
    """
    with _heard_by(_raise_or_leave, {s: h for s, h in _handlers().items() if _is_plain(h)}):
        yield


def _handlers() -> dict[int, Any]:
    """Return the handlers that can be replaced: those of the main thread, in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {signum: signal.getsignal(signum) for signum in _STOPPING}


def _is_plain(handler: Any) -> bool:
    """Tell whether a handler is Python's or ours, and nobody misses a call of it."""
    return handler in (signal.SIG_DFL, signal.default_int_handler, _raise, _raise_or_leave)


@contextmanager
def _heard_by(handler: _Handler, before: Mapping[int, Any]) -> Generator[None]:
    for signum in before:
        signal.signal(signum, handler)
    try:
        yield
    finally:
        for signum, theirs in before.items():
            signal.signal(signum, theirs)


def _raise(signum: int, frame: FrameType | None) -> None:
    raise Stopped(signum)


def _raise_or_leave(signum: int, frame: FrameType | None) -> None:
    below = frame
    while below is not None:
        if below.f_code.co_filename.startswith("<frozen importlib"):
            with suppress(Exception):
                print(f"error: {words_of(signum)}", file=sys.stderr, flush=True)
                sys.stdout.flush()
            os._exit(128 + signum)
        below = below.f_back
    raise Stopped(signum)
