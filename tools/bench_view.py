#!/usr/bin/env python3
"""Time pages of traces in Chromium: how long a large one takes to open, and what a live one costs a run.

usage: python -m tools.bench_view [PAIRS]

Prints how long `pcsim view` and the browser take for 20 layers and 10^6 steps; the seconds from a row's flush to its
place on the live page; and the seconds of a training run, as many PAIRS of runs with and without a live page beside.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

import pcsim
from pcsim.trace import Block
from tests.support.browser import Tab, chromium
from tests.support.trace_samples import child, create, layout, lines_until

LAYERS, ROWS, PIECE = 20, 10**6, 50_000
LOOKS = 10
RUN = ["train-digits", "--set", "learning.epochs=40", "--set", "learning.evaluate=10", "--quiet", "--force"]


def write_large(path: Path) -> None:
    """Write a trace of many rows, of layers that a signal reaches one after another."""
    names, late = tuple(f"layer {i}" for i in range(LAYERS)), 40 * np.arange(LAYERS)[::-1]
    of = layout(frozenset({"energy"}), layer_names=names, unit_shapes=((5,), (5,), (3,)) + ((3,),) * (LAYERS - 3))
    noise = np.random.default_rng(0)
    with create(path, of) as writer:
        for start in range(0, ROWS, PIECE):
            step = np.arange(start, start + PIECE)
            energy = np.exp(-late / 20 - step[:, None] / 3e5 + 0.3 * noise.normal(size=(PIECE, LAYERS)))
            writer.append(Block(clock=step, energy=np.where(step[:, None] < late, 0.0, energy)))
        writer.finish("complete", {}, {}).close()


def opening(browser: Any, folder: Path) -> None:
    write_large(folder / "large.h5")
    begun = time.perf_counter()
    with pcsim.open_trace(folder / "large.h5") as trace:
        page = pcsim.view([trace], folder / "large.html")
    written = time.perf_counter() - begun
    begun = time.perf_counter()
    tab = Tab.of(browser, page)
    tab.page.wait_for_selector(".heat canvas")
    shown = time.perf_counter() - begun
    size = page.stat().st_size / 1e6
    print(f"{LAYERS} layers, {ROWS:,} steps: {size:.2f} MB, written in {written:.2f} s, shown in {shown:.2f} s")
    (folder / "large.h5").unlink()


@contextmanager
def live(browser: Any, folder: Path) -> Generator[tuple[Tab, int]]:
    """Serve a live page and open it; gives the tab and the server's process."""
    command = [sys.executable, "-m", "pcsim", "view", "--live", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            tab = Tab(browser, server.stdout.readline().split()[1], offline=False)
            yield tab, server.pid
            tab.context.close()
        finally:
            server.terminate()


def processor(pid: int) -> float:
    """Return the processor's time that a process has had, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def delays(browser: Any, folder: Path) -> None:
    """Print how long rows take from their flush to the page."""
    found: list[float] = []
    with child("obey", folder / "t.h5") as process, live(browser, folder) as (tab, _):
        lines_until(process.stdout, "safe 0")
        assert process.stdin is not None
        for rows in range(10, 10 * LOOKS + 1, 10):
            time.sleep(np.random.default_rng(rows).uniform(0.5, 1.5))
            process.stdin.write("\n")
            process.stdin.flush()
            lines_until(process.stdout, f"safe {rows}")
            begun = time.perf_counter()
            while not tab.where("energy").endswith(f" {rows - 1}"):
                time.sleep(0.01)
            found.append(time.perf_counter() - begun)
    print(f"from flush to page: {statistics.median(found):.2f} s, at most {max(found):.2f} s, of {LOOKS} blocks")


def seconds(path: Path) -> tuple[float, float]:
    """Return how long a run trains, and the processor's time that it takes."""
    subprocess.run([sys.executable, "-m", "pcsim", "run", *RUN, "-o", str(path)], check=True)
    with pcsim.open_trace(path) as trace:
        return float(trace.attributes["wall_seconds"]), float(trace.attributes["processor_seconds"])


def cost(browser: Any, folder: Path, pairs: int) -> None:
    """Print how much longer a run takes beside a live page that shows it."""
    alone: list[tuple[float, float]] = []
    watched: list[tuple[float, float]] = []
    shares: list[float] = []
    for _ in range(pairs):
        alone.append(seconds(folder / "run.h5"))
        with live(browser, folder) as (tab, server):
            tab.page.wait_for_selector(".u-over")
            used, begun = processor(server), time.monotonic()
            watched.append(seconds(folder / "run.h5"))
            shares.append((processor(server) - used) / (time.monotonic() - begun))
    for i, kind in enumerate(("wall", "processor")):
        ratios = [with_page[i] / without[i] for with_page, without in zip(watched, alone, strict=True)]
        print(
            f"{kind} seconds of a run: {statistics.median(a[i] for a in alone):.2f} alone, "
            f"{statistics.median(w[i] for w in watched):.2f} with a live page; ratios {statistics.median(ratios):.3f} "
            f"({min(ratios):.3f} to {max(ratios):.3f}), of {pairs} pairs"
        )
    print(f"the server had {100 * statistics.median(shares):.1f} % of one processor meanwhile")


def main() -> None:
    with tempfile.TemporaryDirectory() as name, chromium() as browser:
        folder = Path(name)
        opening(browser, folder)
        delays(browser, folder)
        cost(browser, folder, int(sys.argv[1]) if len(sys.argv) > 1 else 5)


if __name__ == "__main__":
    main()
