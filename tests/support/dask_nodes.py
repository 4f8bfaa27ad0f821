"""A Dask scheduler and workers as processes of their own, each worker in a network namespace where that is allowed."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

PATIENCE = 120.0
"""Seconds for processes to start, on a busy machine."""
_SUBNET = "198.18.{}.{}"
"""Addresses for tests of networks (RFC 2544): the host has 1 in each, the namespace 2."""

Node = subprocess.Popen[bytes]


def free_port() -> int:
    """Return a port at which nobody listens."""
    with socket.socket() as found:
        found.bind(("", 0))
        return found.getsockname()[1]


@contextmanager
def started(*command: str, log: Path) -> Generator[Node]:
    """Start a process whose output goes to a file; it is killed in the end."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def scheduler(folder: Path) -> Generator[int]:
    """Start a scheduler that listens on all addresses of this machine; yield its port."""
    port = free_port()
    words = ("-m", "distributed.cli.dask_scheduler", "--host", "0.0.0.0", "--port", str(port), "--no-dashboard")
    with started(sys.executable, *words, log=folder / "scheduler.log"):
        yield port


@contextmanager
def worker(address: str, name: str, folder: Path, before: Sequence[str] = (), *more: str) -> Generator[Node]:
    """Start a worker of the scheduler at an address, by a command that has other words before it."""
    words = ("-m", "distributed.cli.dask_worker", address, "--name", name, "--nthreads", "1")
    apart = ("--no-nanny", "--no-dashboard", "--local-directory", str(folder))
    with started(*before, sys.executable, *words, *apart, *more, log=folder / f"{name}.log") as process:
        yield process


@contextmanager
def namespaces(count: int) -> Generator[list[tuple[list[str], str]]]:
    """Make network namespaces that see this machine alone; yield of each how a command gets there, and its way here.

    Skips the test where they are not allowed.
    """
    if shutil.which("ip") is None:
        pytest.skip("network namespaces need the program ip (iproute2)")
    with ExitStack() as made:
        found: list[tuple[list[str], str]] = []
        for i in range(count):
            name, here, there = (f"{kind}{os.getpid()}n{i}" for kind in ("pcsim-", "ph", "pn"))
            tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
            if tried.returncode:
                pytest.skip(f"network namespaces are not allowed here: {tried.stderr.strip()}")
            made.callback(_ip, "netns", "del", name)
            _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", name)
            _ip("address", "add", f"{_SUBNET.format(i, 1)}/30", "dev", here)
            _ip("link", "set", here, "up")
            for words in (("address", "add", f"{_SUBNET.format(i, 2)}/30", "dev", there), ("link", "set", there, "up")):
                _ip("-n", name, *words)
            _ip("-n", name, "link", "set", "lo", "up")
            found.append((["ip", "netns", "exec", name], _SUBNET.format(i, 1)))
        yield found


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)
