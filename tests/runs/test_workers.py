"""Processes that are started for runs end with the one that starts them."""

import signal
import subprocess
import sys
import threading

import pytest

WAITING = """
import time
from concurrent.futures import wait
from pcsim.interruption import Stopped
from pcsim.runs.workers import running_apart

try:
    with running_apart(time.sleep, [(600,)] * 9) as futures:
        print("started", flush=True)
        wait(futures)
except Stopped as stop:
    raise SystemExit(128 + stop.signum)
"""


@pytest.mark.parametrize(
    ("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_no_worker_goes_on_alone(signum: int, code: int) -> None:
    command = [sys.executable, "-c", WAITING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(60, process.kill)  # kills what does not stop by itself, and its workers
        watchdog.start()
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        process.send_signal(signum)
        # The pipes close when the last process that holds them ends.
        printed, errors = process.communicate()
        watchdog.cancel()
        assert (printed, process.returncode) == ("", code)
        assert "Traceback" not in errors
