#!/usr/bin/env python3
"""Time an update of EO training of convolutional networks, beside the same written by hand and its products alone.

usage: python tools/bench_conv.py [--backend NAME]… [--rounds 5] [--without-torch] [--markdown FILE]

All that docs/performance.md shows of convolutions is made by
    python tools/bench_conv.py --markdown docs/convolution-figures.md
in some minutes on a machine that does nothing else. An update is T = 5 steps of error optimization on one batch in
float32, cross-entropy, and Adam on the weights. Workloads take turns; medians. PyTorch is installed by pip into an
environment of its own under the cache folder, and uses the threads it likes.
"""

import argparse
import resource
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import numpy as np
from benchmarks.backends import usable_backends
from benchmarks.convolutional import RATE, STEP_SIZE, STEPS, WORKLOADS, described, operations, update_on
from benchmarks.peaks import product_rate
from benchmarks.peer import Peer
from benchmarks.rounds import medians
from benchmarks.textbook_jax import update_by_hand
from studies.pages import measured, table

from pcsim.engine.backend import TrainingBackend
from pcsim.learning.trainer import TrainingTask

BACKENDS = ("numba", "jax")
PRODUCTS, BY_HAND, TORCH = "products", "JAX by hand", "PyTorch"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backend", choices=(*BACKENDS, "numpy"), action="append", help="time these alone")
    parser.add_argument("--rounds", type=int, default=5, help="how often every workload is timed")
    parser.add_argument("--without-torch", action="store_true", help="leave PyTorch out")
    parser.add_argument("--markdown", type=Path, help="write the page to this file, not to the terminal alone")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pcsim-bench-")))
        peer = None if arguments.without_torch else Peer("torch", folder)
        if peer is not None:
            stack.callback(peer.close)
        text = page(arguments.backend or BACKENDS, peer, folder, arguments.rounds)
    print(text, end="")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


def page(chosen: Sequence[str], peer: Peer | None, folder: Path, rounds: int) -> str:
    """Return the page of figures."""
    backends, left_out = usable_backends(chosen)
    names = [*backends, BY_HAND, *([TORCH] if peer is not None else [])]
    rows: list[list[str]] = []
    versions = ""
    for workload in WORKLOADS:
        task = workload.task(folder)
        work: dict[str, Callable[[], float]] = {PRODUCTS: product_rate()}
        energies: dict[str, Any] = {}
        for name, backend in backends.items():
            work[name], energies[name] = update_on(cast("TrainingBackend", backend), task)
        work[BY_HAND], energies[BY_HAND] = update_by_hand(task)
        if peer is not None:
            work[TORCH], energies[TORCH], versions = update_of(peer, workload.name, task, folder)
        times = medians(work, rounds)
        least = operations(task) / times[PRODUCTS] / 1e9
        rows.append([workload.name, *(f"{1000 * times[name]:.0f}" for name in names), f"{1000 * least:.0f}"])
        rows[-1].append(f"{times[names[0]] / least:.2f}")
        if len(names) > 1:
            rows[-1].append(f"{times[names[0]] / min(times[name] for name in names[1:]):.2f}")
        rows[-1].append(f"{max(deviation(energies[name], energies[names[0]]) for name in names):.0e}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    header = [
        "median, ms",
        *names,
        "products at the peak",
        f"{names[0]} over the products",
        f"{names[0]} over the fastest other",
    ]
    header.append("energies differ by at most")
    return "\n".join(
        [
            "# Convolutions: measured figures\n\n" + measured("bench_conv.py"),
            f"Medians of {rounds} rounds, all in turn. PyTorch: {versions or 'left out'}.\n"
            + "".join(f"{why}.\n" for why in left_out),
            "An update of EO training, T = 5, float32, cross-entropy, Adam, GELU. Products alone are those of the "
            "update at the rate of large float32 products, measured in the same turns.\n",
            table(header, rows),
            f"The process that ran all but PyTorch held at most {peak:.1f} GiB.\n",
        ]
    )


def update_of(peer: Peer, name: str, task: TrainingTask, folder: Path) -> tuple[Callable[[], float], Any, str]:
    """Return what to call for the seconds of the peer's update, the layers' energies after the first, and versions."""
    file = folder / "task.npz"
    arrays: dict[str, Any] = {f"{i}.{key}": v for i, own in enumerate(task.parameters) for key, v in own.items()}
    np.savez(file, x=cast("Any", task.x), y=task.y, **arrays)
    settings = {"steps": STEPS, "step_size": STEP_SIZE, "rate": RATE}
    reply = peer.ask(prepare=name, file=str(file), layers=described(task), **settings)
    return lambda: float(peer.ask(time=name)["seconds"]), np.array(reply["energy"]), reply["versions"]


def deviation(theirs: Any, ours: Any) -> float:
    """Return the largest difference of the layers' energies, as a share of the largest."""
    return float(np.abs(theirs - ours).max() / np.abs(ours).max())


if __name__ == "__main__":
    main()
