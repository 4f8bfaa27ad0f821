"""Faults of the disk and kills, one at every change to files that some work makes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.support.places import ROOT


@dataclass(frozen=True)
class Outcome:
    """What became of work that met a fault."""

    folder: Path
    exit_code: int
    """Minus the signal where one ended it."""
    safe: int
    """Rows that it knew to be safe."""
    said: str


def faults(
    work: str, kind: str, folder: Path, prepare: Callable[[Path], None], chosen: Callable[[int], Sequence[int]]
) -> list[Outcome]:
    """Return the outcomes of work that meets a fault at some of the changes it makes, `chosen` from their number."""
    prepare(_made(folder / "0"))
    (whole,) = _run(work, "count", folder, [0])
    assert (whole.exit_code, whole.said) == (0, "")
    changes = chosen(int((folder / "0.count").read_text()))
    for change in changes:
        prepare(_made(folder / str(change)))
    return _run(work, kind, folder, changes)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _run(work: str, kind: str, folder: Path, changes: Sequence[int]) -> list[Outcome]:
    command = [sys.executable, "-m", "tests.support.faulty", work, kind, str(folder), *map(str, changes)]
    environment = {**os.environ, "LD_PRELOAD": str(_shim())}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [Outcome(folder / str(change), status, safe, said) for change, status, safe, said in rows]


@cache
def _shim() -> Path:
    compiler = shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("there is no gcc to compile the faults with")
    made = ROOT / ".pytest_cache" / "faults.so"
    made.parent.mkdir(exist_ok=True)
    source = Path(__file__).with_suffix(".c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", str(made), str(source), "-ldl"], check=True)
    return made
