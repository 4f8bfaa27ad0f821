#!/usr/bin/env python3
"""What an update of training costs on several devices: measured where several can be had here, modelled beyond.

usage: python tools/scaling.py [--updates 3] [--markdown docs/scaling-figures.md]

Measured are devices that XLA makes of this machine's processor, and one core that takes a share of a batch alone; by
processor time, which others on the machine hardly change. The model: an update of B samples on D devices takes what one
device takes for B/D samples, and a ring all-reduce of the S bytes of all weights, 2 (D − 1)/D · S/bandwidth +
2 (D − 1) · latency (Patarasu & Yuan 2009).
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from studies.pages import measured, table

from pcsim import read_scenario
from pcsim.runs.simulation import prepare

BATCH = 256
TOGETHER = 2
"""Updates in one call."""
WORKLOADS = {
    "64-(1024×3)-10, 8 steps": ["network.widths=[64,1024,1024,1024,10]", "inference.steps=8"],
}
"""Networks in training by error optimization on digits, in float32: overrides of train-digits."""
HERE = (1, 2, 4)
"""Devices made of this machine."""
DEVICES = (1, 2, 4, 8, 16)
NETWORKS = {
    "1 Gbit/s, 50 µs": (0.125e9, 50e-6),
    "10 Gbit/s, 30 µs": (1.25e9, 30e-6),
    "100 Gbit/s, 5 µs": (12.5e9, 5e-6),
}
"""Bytes a second and seconds a message between two devices."""


def all_reduce_seconds(size: float, devices: int, bandwidth: float, latency: float) -> float:
    """Return what a ring all-reduce of so many bytes takes."""
    return 2 * (devices - 1) / devices * size / bandwidth + 2 * (devices - 1) * latency


class Update(NamedTuple):
    """What an update takes: the shortest wall seconds, the median of all threads' together; the bytes of weights."""

    wall: float
    processor: float
    size: float


def timed(overrides: Sequence[str], batch: int, devices: int, updates: int) -> Update:
    """Return what an update takes in this process."""
    words = [*overrides, f"learning.batch={batch}", f"backend.devices={devices}"]
    trainer = prepare(read_scenario("train-digits", words, backend="jax")).trainer()
    if trainer is None:
        raise TypeError("a scenario without [learning]")
    rows, rates = np.tile(np.arange(batch), (TOGETHER, 1)), np.full(TOGETHER, 1e-5)
    trainer.run(rows, rates)
    wall: list[float] = []
    processor: list[float] = []
    for _ in range(updates):
        start, begun = time.perf_counter(), time.process_time()
        trainer.run(rows, rates)
        wall.append((time.perf_counter() - start) / TOGETHER)
        processor.append((time.process_time() - begun) / TOGETHER)
    size = sum(array.nbytes for layer in trainer.snapshot().parameters for array in layer.values())
    return Update(min(wall), median(processor), size)


def apart(name: str, batches: Sequence[int], devices: int, updates: int, alone: bool = False) -> list[Update]:
    """Return what updates take in a process with so many devices, on one core where it is to be `alone`."""
    own = ["--name", name, "--batches", *map(str, batches), "--devices", str(devices), "--updates", str(updates)]
    environment = {**os.environ, "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, __file__, *own, *(["--alone"] if alone else [])]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout
    return [Update(*map(float, line.split())) for line in said.splitlines()[-len(batches) :]]


def here(updates: int) -> str:
    """Return the table of what was measured with devices that this machine is made of."""
    rows: list[list[str]] = []
    for name in WORKLOADS:
        found = [apart(name, [BATCH], count, updates)[0] for count in HERE]
        rows.append([name, *(f"{in_ms(each.wall)} ({in_ms(each.processor)})" for each in found)])
    return table([f"one update of {BATCH}", *(count_of(count) for count in HERE)], rows)


def count_of(devices: int) -> str:
    return f"{devices} device{'s' * (devices > 1)}"


def model(name: str, updates: int) -> str:
    """Return the table of what is modelled of a workload, from what one core takes for its share of a batch."""
    shares = apart(name, [BATCH // devices for devices in DEVICES], 1, updates, alone=True)
    whole = shares[0]
    rows: list[list[str]] = []
    for devices, share in zip(DEVICES, shares, strict=True):
        cells: list[str] = []
        for bandwidth, latency in NETWORKS.values():
            took = share.processor + all_reduce_seconds(whole.size, devices, bandwidth, latency)
            cells.append(f"{in_ms(took)}, {100 * whole.processor / (devices * took):.0f} %")
        rows.append([count_of(devices), f"{BATCH // devices}", in_ms(share.processor), *cells])
    header = [f"{name}, {whole.size / 1e6:.3g} MB of weights", "samples each", "inference and gradient", *NETWORKS]
    return table(header, rows)


def in_ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description="What an update of training costs on several devices.")
    parser.add_argument("--updates", type=int, default=3)
    parser.add_argument("--markdown", type=Path, help="write the page to this file, too")
    parser.add_argument("--name", help=argparse.SUPPRESS)
    parser.add_argument("--batches", type=int, nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--devices", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.name:
        if arguments.alone:
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        for batch in arguments.batches:
            print(*timed(WORKLOADS[arguments.name], batch, arguments.devices, arguments.updates))
        return
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    parts = [
        f"# An update on several devices: measured and modelled\n\n{measured('scaling.py')}{cores} cores; load average "
        f"{load:.1f} at the start.\n",
        f"\n## Measured: devices made of {cores} cores\n\nThe shortest time of {arguments.updates}, in brackets the "
        f"processor time of all threads (median).\n\n{here(arguments.updates)}",
        "\n## Modelled: one core a device, and a network between them\n\n"
        f"The time of an update of {BATCH} samples, and the efficiency T(1)/(D T(D)). Inference and gradient are "
        "measured (processor time of one core for its share, medians), the all-reduce is 2 (D − 1)/D · S/bandwidth + "
        "2 (D − 1) · latency.\n",
    ]
    parts += [f"\n{model(name, arguments.updates)}" for name in WORKLOADS]
    text = "".join(parts)
    print(text, end="")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
