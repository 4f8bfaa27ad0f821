"""A small training scenario, and what training runs leave, for several tests."""

import signal
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from pcsim.cli.call import call
from tests.support.scenario_files import TEXT

TRAINING = TEXT.replace("[64, 32, 32, 10]", "[64, 12, 10]").replace("steps = 20", "steps = 2") + (
    "\n[learning]\nlr = 1e-2\nepochs = 4\nbatch = 64\n"
)


UPDATES = 22


"""In an epoch: 1,437 samples in batches of 64."""


def learned(path: Path | str) -> dict[str, NDArray[np.generic]]:
    """Return what training left in a trace, seconds apart."""
    found: dict[str, NDArray[np.generic]] = {}

    def collect(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and name.startswith(("training", "final")) and "seconds" not in name:
            found[name] = item[()]

    with h5py.File(path) as file:
        file.visititems(collect)
    return found


def assert_same_bits(path: Path | str, other: Path | str) -> None:
    ours, theirs = learned(path), learned(other)
    assert {"training/energy", "training/test_loss", "final/network/W_1", "final/output"} < ours.keys()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name].tobytes() != theirs[name].tobytes()] == []


def interrupting(update: int, signum: int = signal.SIGINT) -> Callable[[float, float], None]:
    def progress(now: float, last: float) -> None:
        if now >= update:
            signal.raise_signal(signum)

    return progress


def only_line(capsys: pytest.CaptureFixture[str], arguments: list[str], code: int) -> str:
    capsys.readouterr()
    assert call(arguments) == code
    (line,) = capsys.readouterr().err.splitlines()
    return line.removeprefix("error: ")
