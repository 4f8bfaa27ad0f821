"""Processes that train one network together: how they meet, and what the first tells the others."""

import json
import os
import socket
import time
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from pcsim.errors import RunFailed, UsageError
from pcsim.typing import NDArray

WAIT = 60.0
"""Seconds within which all processes are to come to the coordinator."""
_AGAIN = 0.2
_PATIENCE = 10.0
"""Seconds for a greeting, and for others to leave in good order."""
_GREETING = 1000
_LARGEST_PORT = 65535
LOST = "process 0, which leads, was lost"
_END = "end"
_ENDED = "process {} has ended before anything was started: see what it says"


@dataclass(frozen=True)
class Processes:
    """So many processes, on one machine or several, that train one network, and which of them this one is.

    All are started with the same scenario. Number 0 leads: it listens at the coordinator's HOST:PORT, and writes the
    trace; the others take part. Raises `UsageError` for what is no HOST:PORT, fewer than 2 processes and other numbers.
    """

    coordinator: str
    count: int
    number: int

    def __post_init__(self) -> None:
        there = self.coordinator
        host, _, port = there.rpartition(":")
        if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) <= _LARGEST_PORT:
            raise UsageError(f"the coordinator '{there}' is not allowed; give HOST:PORT, as in 10.0.0.1:7411")
        if self.count < 2:
            raise UsageError(f"{self.count} processes cannot share anything; give 2 or more, or no coordinator")
        if not 0 <= self.number < self.count:
            raise UsageError(f"process {self.number} of {self.count} is not allowed; give 0 to {self.count - 1}")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of the coordinator."""
        host, _, port = self.coordinator.rpartition(":")
        return host, int(port)


@dataclass(frozen=True)
class Group:
    """Processes that have met, as one of them sees it: `lines` lead from the first to all others, from them to it."""

    processes: Processes
    lines: tuple[Connection, ...]

    @property
    def leads(self) -> bool:
        """Whether this is the first process."""
        return self.processes.number == 0

    def gather(self, words: Mapping[str, str]) -> list[dict[str, str]]:
        """Return what every process has to say, by its number.

        Raises `UsageError` where one has ended before it said anything.
        """
        own = json.dumps(words).encode()
        if not self.leads:
            self._say(0, self.lines[0], own)
            return json.loads(self._heard(0, self.lines[0]))
        others = list(enumerate(self.lines, 1))
        found = [json.loads(text) for text in (own, *(self._heard(number, line) for number, line in others))]
        for number, line in others:
            self._say(number, line, json.dumps(found).encode())
        return found

    def _say(self, number: int, line: Connection, words: bytes) -> None:
        try:
            line.send_bytes(words)
        except OSError:
            raise UsageError(_ENDED.format(number)) from None

    def _heard(self, number: int, line: Connection) -> bytes:
        try:
            return line.recv_bytes()
        except (OSError, EOFError):
            raise UsageError(_ENDED.format(number)) from None

    def tell(self, what: str, *arrays: NDArray[Any]) -> None:
        """Tell all others what comes next, and the arrays that it takes."""
        for line in self.lines:
            for part in (_head(what, *arrays), *(np.ascontiguousarray(array).tobytes() for array in arrays)):
                line.send_bytes(part)

    def hear(self) -> tuple[str, list[NDArray[Any]]] | None:
        """Return what the first process tells, None where it is over; raises `RunFailed` where it was lost."""
        (line,) = self.lines
        try:
            what, kinds = json.loads(line.recv_bytes())
            arrays = [np.frombuffer(line.recv_bytes(), np.dtype(name)).reshape(shape) for name, shape in kinds]
        except (OSError, EOFError):
            raise RunFailed(LOST) from None
        return None if what == _END else (what, arrays)

    def lost(self) -> int | None:
        """Return the number of a process that is gone, None where all seem to be there."""
        for number, line in enumerate(self.lines, int(self.leads)):
            # The others never say anything of their own accord; what the first says now is that it is over.
            if line.poll(_AGAIN):
                return number
        return None

    def dismiss(self) -> None:
        """Tell all others that it is over, and wait until they have left."""
        for line in self.lines:
            # One that is gone already keeps it from none of the others.
            with suppress(OSError):
                line.send_bytes(_head(_END))
        for line in self.lines:
            with suppress(OSError, EOFError):
                if line.poll(_PATIENCE):
                    line.recv_bytes()


def _head(what: str, *arrays: NDArray[Any]) -> bytes:
    return json.dumps([what, [[array.dtype.name, array.shape] for array in arrays]]).encode()


@contextmanager
def met(processes: Processes) -> Generator[Group]:
    """Wait until all processes are there, and yield them.

    Raises `UsageError` where they are not within a minute, or do not agree on how many they are.
    """
    with ExitStack() as stack:
        lines = _come(processes) if processes.number else _welcome(processes, stack)
        for line in lines:
            stack.callback(line.close)
        yield Group(processes, tuple(lines))


def _come(processes: Processes) -> list[Connection]:
    """Return the line to the first process."""
    end, reason = time.monotonic() + WAIT, ""
    while time.monotonic() < end:
        try:
            line = _line(socket.create_connection(processes.address, timeout=_PATIENCE))
        except OSError as error:
            reason = _reason(error)
            time.sleep(_AGAIN)
            continue
        try:
            line.send_bytes(json.dumps({"count": processes.count, "number": processes.number}).encode())
            answer = str(json.loads(line.recv_bytes())["refused"])
        except (OSError, EOFError, ValueError, KeyError):
            raise UsageError(f"process 0 at {processes.coordinator} has ended before all processes had come") from None
        if answer:
            raise UsageError(answer)
        return [line]
    raise UsageError(
        f"nobody answered at the coordinator {processes.coordinator} within {WAIT:.0f} s ({reason}); start process 0 "
        "there, and see that its port is open"
    )


def _welcome(processes: Processes, stack: ExitStack) -> list[Connection]:
    """Return the lines to all others, in their order."""
    try:
        server = stack.enter_context(socket.create_server(processes.address))
    except OSError as error:
        raise UsageError(
            f"process 0 cannot listen at {processes.coordinator} ({_reason(error)}): the coordinator is an "
            "address of its machine, and a port that is free"
        ) from None
    found: dict[int, Connection] = {}
    problem = ""
    end = time.monotonic() + WAIT
    while len(found) < processes.count - 1 and not problem:
        server.settimeout(max(end - time.monotonic(), 1e-3))
        try:
            line = _line(server.accept()[0])
        except TimeoutError:
            missing = [str(number) for number in range(1, processes.count) if number not in found]
            problem = f"process {', '.join(missing)} did not come to {processes.coordinator} within {WAIT:.0f} s"
            break
        if (greeting := _greeting(line)) is None:  # somebody else, who has got the wrong door
            line.close()
            continue
        count, number = greeting
        if count != processes.count:
            problem = f"process {number} says that there are {count} processes, process 0 {processes.count}"
        elif number in found or not 0 < number < count:
            problem = f"two processes call themselves number {number}"
        found[-1 if problem else number] = line
    for line in found.values():
        with suppress(OSError):
            line.send_bytes(json.dumps({"refused": problem}).encode())
        if problem:
            line.close()
    if problem:
        raise UsageError(f"{problem}; start all with the same scenario, each with its own number")
    server.close()
    return [found[number] for number in sorted(found)]


def _reason(error: OSError) -> str:
    # Of a name that is not known the number is none of the system's.
    return str(error) if error.errno is None or isinstance(error, socket.gaierror) else os.strerror(error.errno)


def _greeting(line: Connection) -> tuple[int, int] | None:
    try:
        words = json.loads(line.recv_bytes(_GREETING)) if line.poll(_PATIENCE) else {}
        return int(words["count"]), int(words["number"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None


def _line(end: socket.socket) -> Connection:
    end.settimeout(None)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return Connection(end.detach())
