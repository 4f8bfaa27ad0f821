#!/usr/bin/env python3
"""Run every command on damaged, crafted and unusual files, and report what must not come of them.

usage: python tools/fuzz.py FOLDER [--cases 10000] [--seed 0] [--processes 2]

Every case is made from the seed and its number: the same numbers are the same cases. Nothing may leave a traceback, run
for more than 10 seconds (of processor time, or waiting), crash, take more than 2 GB or touch a file that was not named.
Results are lines of JSON in FOLDER/cases.jsonl; called again, the run goes on where it stopped. Exit code 1 where
something was found.
"""

import argparse
import json
import os
import platform
import select
import subprocess
import sys
import time
from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fuzzing.bases import make_bases

SECONDS = 10.0
MEMORY = 2 * 2**30
_TAIL = 120.0
"""Seconds, on a busy machine, for the first answer of a process, which imports everything, and until a case begins."""


class Worker:
    """A process that runs cases one after another; anew after one that hangs or crashes."""

    def __init__(self, seed: int, bases: Path, folder: Path) -> None:
        self._command = [sys.executable, __file__, "--worker", str(seed), str(bases), str(folder)]
        self._start()

    def _start(self) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        self._read = b""
        self._answer(_TAIL)

    def begin(self, number: int) -> None:
        """Hand a case to the process."""
        assert self._process.stdin is not None
        self.number, self._begun, self._used = number, time.monotonic(), self._processor()[0]
        self._process.stdin.write(f"{number}\n".encode())
        self._process.stdin.flush()

    def _answer(self, seconds: float) -> str | None:
        """Return a line, nothing where the process has died, None where it takes too long."""
        assert self._process.stdout is not None
        end, descriptor = time.monotonic() + seconds, self._process.stdout.fileno()
        while b"\n" not in self._read:
            if not select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
                return None
            if not (part := os.read(descriptor, 2**16)):
                return ""
            self._read += part
        line, _, self._read = self._read.partition(b"\n")
        return line.decode()

    def _processor(self) -> tuple[float, bool]:
        """Return the seconds of processor time that the process has had, and whether it wants more."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), fields[0] in "RD"

    def _hangs(self) -> bool:
        used, wants = self._processor()
        return used - self._used > SECONDS or (time.monotonic() - self._begun > SECONDS and not wants)

    def result(self) -> dict[str, Any]:
        """Wait for a case and return what came of it; the process is a new one where that was too much for it."""
        begun = json.loads(self._answer(_TAIL) or '["?", "?"]')
        line = self._answer(0.0)
        while line is None and not self._hangs():
            line = self._answer(1.0)
        if line:
            return json.loads(line)
        self.end()
        code = self._process.returncode
        self._start()
        problem = f"more than {SECONDS:g} s" if line is None else f"crashed with {code}"
        row = dict(zip(("what", "command"), begun, strict=True))
        return row | {"number": self.number, "code": code, "seconds": SECONDS, "problem": problem, "said": ""}

    def end(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def fuzz(folder: Path, cases: int, seed: int, processes: int) -> list[dict[str, Any]]:
    """Run the cases that are not yet in the folder's list, and return all that has been found."""
    bases, listed = folder / "bases", folder / "cases.jsonl"
    if not bases.is_dir():
        make_bases(bases)
    done = [json.loads(line) for line in listed.read_text().splitlines()] if listed.exists() else []
    left = iter(sorted(set(range(cases)) - {each["number"] for each in done}))
    workers = [Worker(seed, bases, folder / f"at-{index}") for index in range(processes)]
    with listed.open("a") as file:
        busy = [worker for worker, number in zip(workers, left, strict=False) if worker.begin(number) is None]
        while busy:
            worker = busy.pop(0)
            found = worker.result()
            file.write(json.dumps(found) + "\n")
            file.flush()
            done.append(found)
            number = next(left, None)
            if number is not None:
                worker.begin(number)
                busy.append(worker)
    for worker in workers:
        worker.end()
    return done


def report(done: list[dict[str, Any]]) -> str:
    """Return what has been found, in a few lines."""
    kinds = Counter(each["what"] for each in done)
    codes = Counter(each["code"] for each in done)
    problems = [each for each in done if each["problem"]]
    lines = [
        f"{len(done):,} cases: " + ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common()),
        "exit codes: " + ", ".join(f"{code} {count:,} times" for code, count in sorted(codes.items())),
        f"slowest: {max(each['seconds'] for each in done):.1f} s; most memory of a process: "
        f"{max(each.get('memory', 0) for each in done) / 2**20:,.0f} MiB",
        f"found: {len(problems)}",
        *(
            f"  {each['number']}: {each['problem']}: pcsim {each['command']}: {each['said'].strip()[-160:]}"
            for each in problems
        ),
        f"Python {platform.python_version()}, h5py {version('h5py')}, numpy {version('numpy')}, {platform.platform()}",
    ]
    return "\n".join(lines)


def work(seed: int, bases: Path, folder: Path) -> None:
    """Run the cases whose numbers come in, and print what came of each."""
    import resource

    from fuzzing.cases import as_row, peak_bytes, run_case

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    before = peak_bytes()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))

    def begun(kind: str, command: str) -> None:
        print(json.dumps([kind, command]), file=answers, flush=True)

    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        case = run_case(seed, int(line), bases, folder, begun)
        taken = peak_bytes() - before
        if taken > MEMORY and not case.problem:
            case.problem = f"{taken / 2**30:.1f} GiB"
        print(json.dumps(as_row(case) | {"memory": peak_bytes()}), file=answers, flush=True)
        if taken > MEMORY:
            os._exit(0)


def main() -> None:
    if sys.argv[1:2] == ["--worker"]:
        work(int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="where inputs and results lie; made where there is none")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    done = fuzz(given.folder.absolute(), given.cases, given.seed, given.processes)
    print(report(done))
    sys.exit(any(each["problem"] for each in done))


if __name__ == "__main__":
    main()
