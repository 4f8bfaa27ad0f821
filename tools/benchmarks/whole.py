"""Whole runs from a scenario: what they cost beside inference."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

import pcsim
from benchmarks.workload import BATCH
from pcsim.engine.backend import Backend
from pcsim.scenario import Scenario, parse_scenario

FIXED = {
    "fixed cost of a run: all but inference, 64 SO steps, tanh": (784, 19, 128),
    "the same, trace on disk": (784, 19, 128),
    "the same, 100 SO steps of 3 layers of 32, in memory": (32, 2, 32),
}
DEPTHS = {f"depth: the same of {layers} layers of 4, 3 SO steps, trace on disk": layers for layers in (200, 800)}
"""Four times as many layers take four times as long. On numpy alone: JAX compiles each layer."""
SCENARIO = """
[network]
input = {0}
hidden = {{ layers = {1}, width = {2} }}
output = 10
activation = "tanh"
init = "orthogonal"
[data]
name = "npz"
file = "data-{0}.npz"
batch = 64
[inference]
method = "state"
loss = "cross-entropy"
steps = {3}
[trace]
record = ["energy"]
"""


def scenario(folder: Path, size: tuple[int, int, int] = (784, 19, 128), steps: int = 64) -> Scenario:
    """Return the scenario of a network with inputs, hidden layers and their width, its data in a folder."""
    file = folder / f"data-{size[0]}.npz"
    if not file.exists():
        rng = np.random.default_rng(1)
        np.savez(file, x=rng.standard_normal((BATCH, size[0])), y=rng.integers(0, 10, BATCH))
    return parse_scenario(SCENARIO.format(*size, steps), folder)


def fixed_work(backends: Mapping[str, Backend], folder: Path) -> dict[tuple[str, str], Callable[[], float]]:
    """Return what to call for the seconds of a run beside its inference, by what is run and on which backend."""
    work: dict[tuple[str, str], Callable[[], float]] = {}
    for name, size in FIXED.items():
        path = folder / "fixed.h5" if "on disk" in name else None
        one = scenario(folder, size, 100 if size[0] == 32 else 64)
        for label in backends:
            work[name, label] = lambda one=one, label=label, path=path: fixed_seconds(one.on(label, "float32"), path)
    for name, layers in DEPTHS.items() if "numpy" in backends else ():
        one, path = scenario(folder, (4, layers, 4), 3), folder / f"depth-{layers}.h5"
        work[name, "numpy"] = lambda one=one, path=path: fixed_seconds(one, path)
    return work


def fixed_seconds(one: Scenario, path: Path | None) -> float:
    """Return the seconds of a run beside its inference, of the second one in a row: the first may compile.

    A file is a new one: reading what it would replace is no part of a run.
    """
    found = 0.0
    for _ in range(2):
        if path is not None:
            path.unlink(missing_ok=True)
        start = time.perf_counter()
        with pcsim.run(one, path=path) as trace:
            found = time.perf_counter() - start - float(trace.attributes["inference_seconds"])
    return found
