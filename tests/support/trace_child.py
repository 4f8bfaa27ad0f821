"""A process that writes, trains, resumes, tails or overfills a trace, and says on stdout how far it is."""

import resource
import sys
import time
from pathlib import Path

from pcsim.errors import PcsimError
from pcsim.trace import assemble, growing, open_trace, resume, space
from tests.support import trace_samples as samples
from tests.support.trace_samples import ALL, SMALL, append_epoch, block, cannot_reserve, create, final, layout


def write(path: Path, rows: int) -> None:
    """Append until killed, `rows` at a time."""
    trace = create(path, layout(ALL))
    while True:
        trace.append(block(trace.rows, rows, ALL))
        print("safe", trace.rows, flush=True)


def train(path: Path, updates: int) -> None:
    """Append epochs of so many updates until killed."""
    trace = create(path, layout(training=samples.TRAINING))
    while True:
        append_epoch(trace, updates)
        print("safe", trace.epochs, flush=True)


def resume_again_and_again(path: Path, updates: int) -> None:
    """Resume the trace at its last epoch, append one more, finish; begin again, until killed."""
    of = layout(training=samples.TRAINING)
    while True:
        with open_trace(path) as old:
            last = int(old.training["epoch"][-1])
            trace = resume(path, old, samples.beginning(of), updates=last * updates, epochs=last)
        append_epoch(trace, updates)
        print("safe", trace.epochs, flush=True)
        trace.finish("complete", {}, {}).close()


def obey(path: Path) -> None:
    """Append 10 rows for each line read, finish at the end."""
    trace = create(path)
    print("safe 0", flush=True)
    for _ in sys.stdin:
        trace.append(block(trace.rows, 10))
        print("safe", trace.rows, flush=True)
    trace.finish("complete", {}, final()).close()
    print("finished", flush=True)


def tail(path: Path) -> None:
    """Follow a trace until its run is over, every array checked at each look."""
    with open_trace(path) as trace:
        print("open", trace.rows, flush=True)
        while trace.status == "running":
            before = trace.rows
            trace.refresh()
            assert trace.rows >= before
            assert trace.steps.tolist() == list(range(trace.rows))
            assert trace.energy[:, 0].tolist() == list(range(trace.rows))
            time.sleep(0.002)
        print("over", trace.rows, trace.arrival_steps.tolist(), flush=True)


def overfill(path: Path, limit: int, *, reserving: bool) -> None:
    """Append under a file size limit until that fails; then finish, which may fail too."""
    if not reserving:
        space.reserve = growing.reserve = assemble.reserve = cannot_reserve
    trace = create(path, layout(SMALL))
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + limit, resource.RLIM_INFINITY))
    try:
        while True:
            trace.append(block(trace.rows, 64))
    except PcsimError as error:
        print("append", trace.rows, error, flush=True)
    try:
        trace.finish("failed", {}, {}).close()
        print("finished", flush=True)
    except PcsimError as error:
        print("finish", error, flush=True)
    trace.close()
    print("end", flush=True)


def overfill_training(path: Path, limit: int) -> None:
    """Append epochs under a file size limit until that fails; then finish, which must not."""
    trace = create(path, layout(training=samples.TRAINING))
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + limit, resource.RLIM_INFINITY))
    try:
        while True:
            append_epoch(trace, 100)
    except PcsimError as error:
        print("append", trace.updates, trace.epochs, error, flush=True)
    trace.finish("failed", {}, {}).close()
    print("end", flush=True)


if __name__ == "__main__":
    mode, target = sys.argv[1], Path(sys.argv[2])
    if mode == "write":
        write(target, int(sys.argv[3]))
    elif mode == "train":
        train(target, int(sys.argv[3]))
    elif mode == "resume":
        resume_again_and_again(target, int(sys.argv[3]))
    elif mode == "overfill-training":
        overfill_training(target, int(sys.argv[3]))
    elif mode == "obey":
        obey(target)
    elif mode == "tail":
        tail(target)
    else:
        overfill(target, int(sys.argv[3]), reserving=mode == "overfill")
