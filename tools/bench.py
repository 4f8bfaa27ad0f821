#!/usr/bin/env python3
"""Time the same workloads on every backend that can be used here, beside what the machine can do at most.

usage: python tools/bench.py [--backend NAME]… [--peer fabricpc] [--rounds 7] [--markdown FILE] [--figure FILE]

All that docs/performance.md shows is made by
    python tools/bench.py --peer fabricpc --markdown docs/performance-figures.md --figure docs/figures/performance.png
in some minutes on a machine that does nothing else. Workloads take turns and are reported as medians: machines are
noisy. A peer is installed by pip into an environment of its own under the cache folder, and timed in the same turns.
"""

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.backends import FAST, devices, usable_backends
from benchmarks.others import BARE, other_work, processes
from benchmarks.peaks import memory_rate, product_rate
from benchmarks.peer import PEERS, Peer
from benchmarks.rounds import medians
from benchmarks.sweeps import draw_sweeps, sweep_tables, sweep_work
from benchmarks.table import EO, SO, work_of, work_table
from benchmarks.whole import fixed_work
from studies.pages import measured, table

from pcsim.report.plotting import save

PRODUCTS, MEMORY = "products", "memory"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backend", choices=FAST, action="append", help="time this one alone, or those named")
    parser.add_argument("--peer", choices=PEERS, help="another program to time on the same networks")
    parser.add_argument("--rounds", type=int, default=7, help="how often every workload is timed")
    parser.add_argument("--markdown", type=Path, help="write the page to this file, not to the terminal alone")
    parser.add_argument("--figure", type=Path, help="draw time against depth, width and batch into this file")
    arguments = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pcsim-bench-")))
        peer = Peer(arguments.peer, folder) if arguments.peer else None
        if peer is not None:
            stack.callback(peer.close)
        text = page(arguments.backend or FAST, peer, folder, arguments.rounds, arguments.figure)
    print(text, end="")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


def page(chosen: Sequence[str], peer: Peer | None, folder: Path, rounds: int, figure: Path | None) -> str:
    """Return the page of figures, and draw the figure."""
    load = os.getloadavg()[0]
    backends, left_out = usable_backends(chosen)
    names = list(backends)
    work: dict[Any, Any] = {PRODUCTS: product_rate(), MEMORY: memory_rate()}
    work |= work_of(backends, peer) | fixed_work(backends, folder) | other_work(backends, folder)
    times = medians(work, rounds)
    sweeps = medians(sweep_work(backends), max(1, rounds // 3))
    gflops = times[PRODUCTS]
    if figure is not None:
        save(draw_sweeps(sweeps, names, gflops), figure, force=True)
    labels = [*names, *([peer.name] if peer is not None else [])]
    parts = [
        "# Performance: measured figures\n\n" + measured("bench.py"),
        f"Medians of {rounds} rounds ({max(1, rounds // 3)} for depth, width and batch), all workloads in turn; load "
        f"average at the start {load:.1f}. Backends: {devices(backends)}.\n" + "".join(f"{why}.\n" for why in left_out),
        f"float32 matrix product at best: {gflops:.0f} · 10⁹ operations a second; memory read and written: "
        f"{times[MEMORY]:.1f} · 10⁹ bytes a second.\n",
        "## Workloads\n\nThe network 784-(128×19)-10, batch 64, float32, cross-entropy, every layer's energy recorded "
        "at every step; compilation apart.\n",
        work_table(times, labels, gflops),
        *([beside(peer, times, names)] if peer is not None else []),
        "## Depth, width and batch\n\n16 SO steps, tanh; what is not varied is 20 layers, 128 units, 64 samples.\n",
        sweep_tables(sweeps, names, gflops),
        "## Beside the workloads\n",
        table(["median, ms", ""], [[name, f"{1000 * times[name]:.1f}"] for name in times if isinstance(name, str)][2:]),
        *ratios(times, names),
        *(f"{line}\n" for line in processes(backends)),
    ]
    return "\n".join(parts)


def beside(peer: Peer, times: Mapping[Any, float], names: list[str]) -> str:
    """Return what the comparison with a peer is of, and its ratios."""
    rows: list[list[str]] = []
    for name in (SO, EO):
        theirs = times[name, peer.name]
        rows.append([name, f"{peer.deviation[name]:.0e}", *(f"{theirs / times[name, b]:.2f}" for b in names)])
    header = ["", "energies differ by at most", *(f"its time over that of {name}" for name in names)]
    return (
        f"### {peer.name}\n\nIn an environment of its own ({peer.versions}), the same weights, data and step size, the "
        "start, all steps and every layer's energies at every step in one compiled call. Energies differ from numpy's "
        "in float32 by at most the given share (of the energy and a thousandth of the largest).\n\n"
        + table(header, rows)
    )


def ratios(times: Mapping[Any, float], names: list[str]) -> list[str]:
    """Return sentences on what the figures say of each other."""
    found: list[str] = []
    if "numpy" in names:
        share = times[SO, "numpy"] / times[BARE] - 1
        found.append(f"Computing all energies takes numpy {100 * share:.0f} % more time.\n")
    if "jax" in names:
        for word in ("tanh", "ReLU"):
            ratio = times[f"64 SO steps, {word}", "jax"] / times[f"hand-written lax.scan, 64 SO steps, {word}"]
            found.append(f"JAX takes {ratio:.2f} times as long as the hand-written `lax.scan` with {word}.\n")
    return found


if __name__ == "__main__":
    main()
