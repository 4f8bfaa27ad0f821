"""A process preloaded with faults.c: does the same work again and again, each time in a fork that meets one fault.

usage: LD_PRELOAD=faults.so python -m tests.support.faulty WORK KIND FOLDER CHANGE…
Every fork works in a folder of its own, FOLDER/CHANGE. Prints a line a fork: the change, the exit status (minus the
signal), the rows it knew to be safe and its last words.
"""

import ctypes
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pcsim
from pcsim.errors import PcsimError
from pcsim.trace import TraceWriter, open_trace, repair, resume
from tests.support.trace_samples import ALL, TRAINING, append_epoch, beginning, block, create, final, layout

ROWS, BLOCK = 40, 10
UPDATES = 3
"""In an epoch."""
SWEEP = pcsim.read_scenario(
    "signal-decay", ["network.hidden={layers=2, width=4}", "data.batch=2", 'sweep={"inference.steps"=[2, 3]}']
)


def replace_trace(safe: Callable[[TraceWriter], None]) -> None:
    """Write a trace over one that is there; every number of row t is t."""
    writer = create(Path("run.h5"), layout(ALL), force=True)
    for start in range(0, ROWS, BLOCK):
        writer.append(block(start, BLOCK, ALL))
        safe(writer)
    writer.finish("complete", {}, final()).close()


def go_on(safe: Callable[[TraceWriter], None]) -> None:
    """Resume a training trace at its second epoch, in its place, and add two more."""
    of, path = layout(training=TRAINING), Path("run.h5")
    repair(path)
    with open_trace(path) as old:
        writer = resume(path, old, beginning(of), updates=2 * UPDATES, epochs=2)
    for _ in range(2):
        append_epoch(writer, UPDATES)
        safe(writer)
    writer.finish("complete", {}, {}).close()


def say_safe(writer: TraceWriter) -> None:
    """Say, even if the next thing is a kill, how many rows are safe."""
    os.write(1, f"safe {writer.rows or writer.epochs}\n".encode())


def study(safe: Callable[[TraceWriter], None]) -> None:
    """Run a sweep of two short runs."""
    del safe
    pcsim.run(SWEEP, path="run.h5").close()


def in_fork(work: Callable[[Callable[[TraceWriter], None]], None], folder: Path, fault: str) -> tuple[int, int, str]:
    """Return how the fork ended, the rows that were safe by then and what it said last."""
    reading, writing = os.pipe()
    process = os.fork()
    if process:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read().splitlines()
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        rows = [int(line.split()[1]) for line in said if line.startswith("safe ")]
        words = [line for line in said if not line.startswith("safe ")]
        return status, max(rows, default=0), (words or [""])[-1]
    os.dup2(writing, 1)
    os.dup2(writing, 2)
    os.chdir(folder)
    os.environ |= {"FAULT_IN": str(folder), "FAULT": fault, "FAULT_COUNT": str(folder.with_suffix(".count"))}
    code = 0
    try:
        work(say_safe)
    except PcsimError as error:
        os.write(1, f"{error}\n".encode())
        code = error.exit_code
    except BaseException as error:
        os.write(1, f"{error!r}\n".encode())
        code = 70
    gc.collect()  # what HDF5 left open is closed, as at the end of any process
    ctypes.CDLL(None).exit(code)
    raise AssertionError


def main(work: str, kind: str, folder: Path, changes: list[int]) -> None:
    for change in changes:
        place = folder / str(change)
        place.mkdir(exist_ok=True)
        status, safe, said = in_fork(globals()[work], place, f"{kind}:{change}")
        print(json.dumps([change, status, safe, said]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), [int(word) for word in sys.argv[4:]])
