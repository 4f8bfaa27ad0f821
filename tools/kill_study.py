#!/usr/bin/env python3
"""Kill a study at random moments, its parent, a worker or both, and look whether it ends as an undisturbed one.

usage: python tools/kill_study.py [--kills 30] [--seed 0]

Runs a small sweep of trainings with `pcsim run --jobs 2` in a process of its own. At a moment drawn uniformly from as
long as the undisturbed study takes, SIGKILL goes to the parent, to a worker or to both in turn. Where the parent is
gone the study goes on with --resume. Every array of its file must then have the bits of the undisturbed one, and no
other file may be left. Prints a table; exit code 1 where anything was lost.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from studies.pages import measured, table

import pcsim
from pcsim.studies import results_of

SCENARIO = """
[network]
widths = [64, 64, 64, 10]
activation = "tanh"
[data]
name = "digits"
batch = 4
[inference]
method = "error"
loss = "squared-error"
steps = 4
step_size = 0.1
[learning]
epochs = 8
[sweep]
learning.lr = [1e-4, 3e-4, 1e-3, 1e30]
seed = [0, 1]
"""
VICTIMS = ("parent", "worker", "both")
COMMAND = """
import sys
from pcsim.cli import main
import pcsim.studies.run
pcsim.studies.run.WORTH_CHECKPOINTS = 0.0
if __name__ == "__main__":
    main()
"""
"""As the command, with checkpoints of every training however short."""


def start(folder: Path, *words: str) -> "subprocess.Popen[bytes]":
    """Start `pcsim run` with two workers."""
    command = [sys.executable, str(folder.parent / "command.py"), "run", "s.toml", "--jobs", "2", "--quiet", *words]
    return subprocess.Popen(command, cwd=folder)


def children(pid: int) -> list[int]:
    """Return the processes that carry out calls for another one."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()]


def kill(victim: str, parent: int, chance: random.Random) -> None:
    """Kill a parent, one of its workers, or both."""
    with suppress(OSError):
        workers = children(parent)
        if victim in ("parent", "both"):
            os.kill(parent, signal.SIGKILL)
        if victim in ("worker", "both") and workers:
            os.kill(chance.choice(workers), signal.SIGKILL)


def numbers(path: Path) -> dict[str, bytes]:
    """Return all arrays of a study, as bytes."""
    with pcsim.open_trace(path) as trace:
        return {name: each.values.tobytes() for name, each in results_of(trace).items()} | {
            "status": trace.status.encode()
        }


def one(folder: Path, victim: str, moment: float, chance: random.Random, whole: dict[str, bytes]) -> str:
    """Kill a study once; return what is wrong with it afterwards."""
    folder.mkdir()
    (folder / "s.toml").write_text(SCENARIO)
    process = start(folder)
    time.sleep(moment)
    kill(victim, process.pid, chance)
    code = process.wait()
    if code == -signal.SIGKILL:
        begun = (folder / "s.h5").exists() or (folder / "s.h5.rows").exists()
        code = start(folder, *(["--resume", "s.h5"] if begun else [])).wait()
    left = sorted(path.name for path in folder.iterdir())
    if code != 0 or left != ["s.h5", "s.toml"]:
        return f"exit code {code}, files {left}"
    found = numbers(folder / "s.h5")
    return ", ".join(name for name in whole if found.get(name) != whole[name])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    chance = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "command.py").write_text(COMMAND)
        folder = Path(place) / "whole"
        folder.mkdir()
        (folder / "s.toml").write_text(SCENARIO)
        begun = time.perf_counter()
        start(folder).wait()
        seconds, whole = time.perf_counter() - begun, numbers(folder / "s.h5")
        wrong = {victim: list[str]() for victim in VICTIMS}
        for number in range(given.kills):
            victim = VICTIMS[number % len(VICTIMS)]
            wrong[victim].append(one(Path(place) / str(number), victim, chance.random() * seconds, chance, whole))
    print(measured("kill_study.py"))
    rows = [[victim, str(len(found)), str(sum(map(bool, found)))] for victim, found in wrong.items()]
    print(table(["killed", "kills", "studies that ended otherwise"], rows))
    for victim, found in wrong.items():
        print(*(f"{victim}: {words}" for words in found if words), sep="\n", end="")
    return int(any(any(found) for found in wrong.values()))


if __name__ == "__main__":
    sys.exit(main())
