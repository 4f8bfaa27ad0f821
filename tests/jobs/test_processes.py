"""Processes that are started for calls: they answer in any order, are replaced when they die, end with their maker."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pcsim.jobs import Here, Lost, Processes

WAITING = """
import time
from pcsim.interruption import Stopped, stopping_at_once
from pcsim.jobs import Processes

if __name__ == "__main__":
    runs = Processes(2).run(time.sleep, [(0,)] + [(600,)] * 9)
    next(runs)
    try:
        with stopping_at_once():
            print("started", flush=True)
            next(runs)
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


def killed_once(mark: str, number: int) -> int:
    """Kill this process the first time that number 1 comes."""
    if number == 1 and not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        raise ValueError(f"no {number}")
    if number == 4:
        os._exit(7)
    time.sleep(0.01)
    return number**2


def test_a_process_that_dies_loses_one_call_which_is_tried_again(tmp_path: Path) -> None:
    calls = [(str(tmp_path / "mark"), i) for i in range(6)]
    found = {outcome.number: outcome for outcome in Processes(2).run(killed_once, calls)}
    assert {i: outcome.value for i, outcome in found.items()} == {0: 0, 1: 1, 2: 4, 3: None, 4: None, 5: 25}
    assert str(found[3].error) == "no 3"
    assert isinstance(found[4].error, Lost)
    assert str(found[4].error) == "its process ended with exit code 7, 2 times"


def test_here_calls_come_one_after_another() -> None:
    found = list(Here().run(divmod, [(7, 2), (1, 0)]))
    assert found[0].value == (3, 1)
    assert isinstance(found[1].error, ZeroDivisionError)
