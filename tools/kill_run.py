#!/usr/bin/env python3
"""Kill runs at random moments and look whether anything is lost: rows, finished runs, room for temporary files.

usage: python tools/kill_run.py [--kills 1000] [--seed 0] [--minutes M] [--folder FOLDER]

Inference, training, sweeps, comparisons, repairs and resumed trainings take turns. Each runs in a fork that is killed
(SIGKILL) at a moment drawn uniformly from as long as the undisturbed work takes. Then the trace is repaired, its rows
are held against those of an undisturbed run to the bit, a training goes on to its end, and the next run of that name
must leave no file but its own. What was found is appended to FOLDER/kills.jsonl: the same command goes on where it
stopped. Prints a table; exit code 1 where anything was lost.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from studies.killed import INFERENCE, SWEEP, TRAINING, WORKS, compare, infer
from studies.pages import measured, table

import pcsim
from pcsim.errors import PcsimError
from pcsim.runs import tracing
from pcsim.scenario import Scenario
from pcsim.trace import TraceWriter

HEADER = ["work", "kills", "while it ran", "left temporary files", "lost anything", "strange files after the next run"]


def say_to(pipe: int, words: str) -> None:
    os.write(pipe, f"{words}\n".encode())


def in_fork(work: Callable[[Callable[[str], None]], None], seconds: float | None) -> tuple[int, Counter[str], float]:
    """Do work in a fork, killed after so many seconds; return its exit code, what it said and how long it took."""
    reading, writing = os.pipe()
    begun = time.perf_counter()
    process = os.fork()
    if process == 0:
        try:
            work(partial(say_to, writing))
            os._exit(0)
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
            os._exit(1)
    os.close(writing)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    safe: Counter[str] = Counter()
    for line in said.splitlines():
        name, _, count = line.rpartition(" ")
        safe[name] = max(safe[name], int(count))
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, safe, time.perf_counter() - begun


def one_kill(kind: str, share: float, folder: Path, seconds: float) -> dict[str, object]:
    """Kill work after a share of its time; return what was found."""
    work, place = WORKS[kind], folder / "place"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    os.chdir(place)
    work.prepare()
    code, safe, _ = in_fork(work.do, share * seconds)
    left = sum(".tmp" in path.name for path in place.iterdir())
    wrong = "" if code in (0, -signal.SIGKILL) else f"exit code {code}"
    try:
        work.examine(safe)
        assert in_fork(compare if kind == "comparison" else infer, None)[0] == 0, "the next run failed"
    except (AssertionError, PcsimError) as error:
        wrong = str(error)
    strange = [path.name for path in place.iterdir() if path.suffix != ".h5"]
    return {
        "kind": kind,
        "killed": code != 0,
        "rows": sum(safe.values()),
        "left": left,
        "wrong": wrong,
        "files": strange,
    }


def prepare_all(folder: Path) -> dict[str, float]:
    """Make the undisturbed and the broken-off runs, and return how long every kind of work takes."""
    os.chdir(folder)
    pcsim.run(INFERENCE, path="whole.h5", force=True).close()
    pcsim.run(TRAINING, path="trained.h5", force=True).close()
    pcsim.run(SWEEP, path="swept.h5", force=True).close()
    if not Path("killed.h5").exists():
        broken_off(INFERENCE, "killed.h5", "append", 3)
        broken_off(TRAINING, "broken.h5", "append_epochs", 3)
    seconds: dict[str, float] = {}
    for kind, work in WORKS.items():
        place = folder / "place"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        os.chdir(place)
        work.prepare()
        seconds[kind] = in_fork(work.do, None)[2]
    return seconds


def broken_off(of: Scenario, path: str, name: str, calls: int) -> None:
    """Leave what a run leaves that is killed at so many calls of a writer's method."""

    def work(say: Callable[[str], None]) -> None:
        append, count = getattr(TraceWriter, name), iter(range(1, 1000))
        tracing.HOLD_SECONDS = 0.0

        def killing(writer: TraceWriter, block: object) -> None:
            append(writer, block)
            if next(count) == calls:
                os.kill(os.getpid(), signal.SIGKILL)

        setattr(TraceWriter, name, killing)
        pcsim.run(of, path=path, force=True).close()

    in_fork(work, None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=240.0, help="stop after so long; the same command goes on")
    parser.add_argument("--folder", type=Path, default=Path("kill-run"))
    arguments = parser.parse_args()
    folder, end = arguments.folder.absolute(), time.monotonic() + 60 * arguments.minutes
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "kills.jsonl"
    done = len(log.read_text().splitlines()) if log.exists() else 0
    seconds = prepare_all(folder)
    for number in range(done, arguments.kills):
        if time.monotonic() > end:
            break
        kind = list(WORKS)[number % len(WORKS)]
        share = random.Random(f"{arguments.seed} {number}").random()
        found = one_kill(kind, share, folder, seconds[kind])
        with log.open("a") as lines:
            lines.write(json.dumps(found) + "\n")
    return report([json.loads(line) for line in log.read_text().splitlines()])


def report(found: list[dict[str, object]]) -> int:
    """Print what was found, a line a kind; return 1 where anything was lost or left."""
    rows: list[list[str]] = []
    for kind in WORKS:
        mine = [each for each in found if each["kind"] == kind]
        counts = [sum(bool(each[name]) for each in mine) for name in ("killed", "left", "wrong", "files")]
        rows.append([kind, str(len(mine)), *map(str, counts)])
    print(measured("kill_run.py"))
    print(table(HEADER, rows))
    for each in found:
        if each["wrong"] or each["files"]:
            print(each)
    return int(any(each["wrong"] or each["files"] for each in found))


if __name__ == "__main__":
    sys.exit(main())
