"""The same workloads on every backend, and beside a peer: what is timed, and the tables."""

from collections.abc import Callable, Mapping

from studies.pages import table

from benchmarks.peer import Peer
from benchmarks.whole import DEPTHS, FIXED
from benchmarks.workload import make_task, make_tiny_task, product_gflop, settle_seconds
from pcsim.engine.backend import Backend, Task
from pcsim.inference import ErrorOptimization, IncrementStateOptimization
from pcsim.model.activations import Gelu, LeakyRelu, Tanh

SO, EO = "64 SO steps, tanh", "8 EO steps, tanh"


def tasks() -> dict[str, Task]:
    """Return the workloads by name, in the order of the table."""
    return {
        SO: make_task(Tanh()),
        "64 SO steps, ReLU": make_task(LeakyRelu()),
        "64 SO steps, GELU": make_task(Gelu()),
        "64 SO steps, tanh, increment form": make_task(Tanh(), IncrementStateOptimization),
        "64 SO steps, GELU, increment form": make_task(Gelu(), IncrementStateOptimization),
        EO: make_task(Tanh(), ErrorOptimization, 8),
        "1000 SO steps of 3 layers of 32, batch 1": make_tiny_task(),
    }


def work_of(backends: Mapping[str, Backend], peer: Peer | None) -> dict[tuple[str, str], Callable[[], float]]:
    """Return what to call for the seconds of a workload on a backend, or by the peer."""
    work: dict[tuple[str, str], Callable[[], float]] = {}
    for name, task in tasks().items():
        for label, backend in backends.items():
            work[name, label] = lambda backend=backend, task=task: settle_seconds(backend, task)
        if peer is not None and name in (SO, EO):
            work[name, peer.name] = peer.prepare(name, task)
    return work


def work_table(times: Mapping[tuple[str, str], float], labels: list[str], gflops: float) -> str:
    """Return milliseconds of every workload, and what its products alone would take at the measured peak."""
    rows: list[list[str]] = []
    for name, task in tasks().items():
        cells = [milliseconds(times.get((name, label))) for label in labels]
        rows.append([name, *cells, milliseconds(product_gflop(task) / gflops)])
    rows += [[name, *(milliseconds(times.get((name, label))) for label in labels), "–"] for name in (*FIXED, *DEPTHS)]
    return table(["median, ms", *labels, "products at the peak"], rows)


def milliseconds(seconds: float | None) -> str:
    """Return seconds as milliseconds in words."""
    return "–" if seconds is None else f"{1000 * seconds:.1f}"
