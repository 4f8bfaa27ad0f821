"""How time grows with depth, width and batch: a line a backend, and what the products alone would take."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from matplotlib.figure import Figure
from studies.pages import table

from benchmarks.table import milliseconds
from benchmarks.workload import Size, make_task, product_gflop, settle_seconds
from pcsim.engine.backend import Backend, Task
from pcsim.model.activations import Tanh

STEPS = 16
SWEEPS: dict[str, tuple[int, ...]] = {
    "layers": (5, 10, 20, 40, 80),
    "width": (32, 64, 128, 256, 512),
    "batch": (1, 8, 64, 256, 1024),
}
COLOURS = {"numpy": "tab:blue", "jax": "tab:orange", "numba": "tab:green", "cupy": "tab:red"}
Point = tuple[str, int, str]
"""What is varied, its value, and the backend."""


def sweep_task(axis: str, value: int) -> Task:
    """Return some steps of the benchmark network with another depth, width or batch."""
    return make_task(Tanh(), steps=STEPS, size=replace(Size(), **{axis: value}))


def sweep_work(backends: Mapping[str, Backend]) -> dict[Point, Callable[[], float]]:
    """Return what to call for the seconds of every point."""
    work: dict[Point, Callable[[], float]] = {}
    for axis, values in SWEEPS.items():
        for value in values:
            task = sweep_task(axis, value)
            for name, backend in backends.items():
                work[axis, value, name] = lambda backend=backend, task=task: settle_seconds(backend, task)
    return work


def sweep_tables(times: Mapping[Point, float], backends: Sequence[str], gflops: float) -> str:
    """Return a table for each of depth, width and batch."""
    found: list[str] = []
    for axis, values in SWEEPS.items():
        rows = [
            [str(value), *(milliseconds(times[axis, value, name]) for name in backends), milliseconds(floor)]
            for value, floor in zip(values, _floors(axis, gflops), strict=True)
        ]
        found.append(table([axis, *(f"{name}, ms" for name in backends), "products at the peak, ms"], rows))
    return "\n".join(found)


def draw_sweeps(times: Mapping[Point, float], backends: Sequence[str], gflops: float) -> Figure:
    """Return three panels of milliseconds against depth, width and batch."""
    figure = Figure(figsize=(10.5, 3.6), layout="constrained")
    panels = figure.subplots(1, len(SWEEPS), sharey=True)
    for panel, (axis, values) in zip(panels, SWEEPS.items(), strict=True):
        for name in backends:
            line = [1000 * times[axis, value, name] for value in values]
            panel.loglog(values, line, marker="o", markersize=4, color=COLOURS[name], label=name)
        floor = [1000 * seconds for seconds in _floors(axis, gflops)]
        panel.loglog(values, floor, "--", color="black", linewidth=1, label="products at the processor's peak")
        panel.set_xticks(values, labels=[str(value) for value in values])
        panel.minorticks_off()
        panel.set_xlabel(axis)
        panel.grid(alpha=0.3)
    panels[0].set_ylabel(f"ms for {STEPS} SO steps")
    panels[0].legend(fontsize=8)
    return figure


def _floors(axis: str, gflops: float) -> list[float]:
    return [product_gflop(sweep_task(axis, value)) / gflops for value in SWEEPS[axis]]
