#!/usr/bin/env python3
"""Time the workloads that docs/performance.md reports, beside the machine's matrix-product peak.

usage: python tools/bench.py [--rounds 9] [--markdown FILE]

Everything is timed in one process, workloads in turn, and reported as medians: machines are shared and noisy.
"""

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
from pcsim_numpy import NumpyBackend
from pcsim_numpy.backend import blas_threads
from pcsim_numpy.namespace import NumpyNamespace

from pcsim.activations import Activation, Gelu, LeakyRelu, Sigmoid, Tanh
from pcsim.backend import Descent, Task
from pcsim.energy import Energy
from pcsim.experiment import run
from pcsim.inference import ErrorOptimization, IncrementStateOptimization, Inference, StateOptimization
from pcsim.initialisers import Orthogonal
from pcsim.losses import CrossEntropy
from pcsim.network import dense_chain
from pcsim.provenance import describe_machine
from pcsim.recording import every_so_many
from pcsim.scenario import parse_scenario
from pcsim.steppers import GradientDescent

WIDTHS = (784, *(128,) * 19, 10)
BATCH = 64
SCENARIO = """
title = "Benchmark: 784-(128x19)-10, tanh, batch 64"
[network]
input = 784
hidden = { layers = 19, width = 128 }
output = 10
activation = "tanh"
init = "orthogonal"
[data]
name = "npz"
file = "data.npz"
batch = 64
[inference]
method = "state"
loss = "cross-entropy"
steps = 64
[trace]
record = ["energy"]
"""


def make_task(
    activation: Activation, method: Callable[[Energy], Inference] = StateOptimization, steps: int = 64
) -> Task:
    """Return the benchmark network with random data, in float32, recording every layer's energy at every step."""
    network = dense_chain(WIDTHS, activation)
    free = len(WIDTHS) - 2
    energy = Energy(network, CrossEntropy(), (1.0,) * free, (0.0,) * free)
    rng = np.random.default_rng(1)
    return Task(
        inference=method(energy),
        motion=Descent(GradientDescent(0.1), steps, every_so_many(steps, 1)),
        stop=None,
        parameters=network.draw_parameters(Orthogonal(), 0),
        x=rng.standard_normal((BATCH, WIDTHS[0])),
        y=np.eye(10)[rng.integers(0, 10, BATCH)],
        initial=None,
        record=frozenset({"energy"}),
        precision="float32",
    )


def settle_seconds(task: Task) -> float:
    """Return the seconds of one inference run, energies recorded."""
    return NumpyBackend().settle(task, lambda block: None, lambda step: False).inference_seconds


def bare_seconds(task: Task) -> float:
    """Return the seconds of the same steps with no energy computed at all."""
    xp = NumpyNamespace()
    parameters = tuple({k: v.astype(np.float32) for k, v in layer.items()} for layer in task.parameters)
    clamped = task.inference.clamp(xp, parameters, task.x.astype(np.float32), task.y.astype(np.float32))
    with blas_threads(task):
        start = time.perf_counter()
        carry = task.inference.begin(xp, clamped, None, task.descent.stepper)
        for step in range(1, task.descent.steps + 1):
            point = task.inference.evaluate(xp, clamped, carry)
            carry = task.inference.advance(xp, clamped, point, carry, task.descent.stepper, step)
        task.inference.evaluate(xp, clamped, carry)
        return time.perf_counter() - start


def traced_seconds(folder: Path) -> float:
    """Return the inference seconds of the same run from a scenario, its trace written to disk."""
    rng = np.random.default_rng(1)
    if not (folder / "data.npz").exists():
        np.savez(folder / "data.npz", x=rng.standard_normal((BATCH, WIDTHS[0])), y=rng.integers(0, 10, BATCH))
    with run(parse_scenario(SCENARIO, folder), path=folder / "trace.h5", force=True) as trace:
        return float(trace.attributes["inference_seconds"])


def help_seconds() -> float:
    """Return the seconds `pcsim --help` takes as a process of its own."""
    program = Path(sys.executable).with_name("pcsim")
    start = time.perf_counter()
    subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def exact_process() -> tuple[float, float]:
    """Return wall seconds and peak MiB of `pcsim run signal-decay --precision exact` as a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        process = subprocess.Popen(
            [Path(sys.executable).with_name("pcsim"), "run", "signal-decay", "--precision", "exact", "--quiet"],
            cwd=folder,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit("the exact backend failed; install it with: pip install -e '.[exact]'")
        return time.perf_counter() - start, usage.ru_maxrss / 1024


def peak_gflops() -> float:
    """Return the rate of a large float32 matrix product, in 10⁹ operations a second."""
    a = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    start = time.perf_counter()
    np.matmul(a, a)
    return 2 * 2048**3 / (time.perf_counter() - start) / 1e9


def product_gflop(steps: int) -> float:
    """Return the 10⁹ operations of the products in SO: forward and pullback of every layer but the clamped first."""
    pairs = pairwise(WIDTHS[1:])
    return (steps + 1) * 2 * sum(2 * BATCH * a * b for a, b in pairs) / 1e9


def measure(rounds: int) -> dict[str, float]:
    """Return the median of every workload, in the order of the table."""
    tanh = make_task(Tanh())
    work: dict[str, Callable[[], float]] = {
        "float32 product peak, GFLOP/s": peak_gflops,
        "64 SO steps, tanh, energies recorded": lambda: settle_seconds(tanh),
        "the same without energies": lambda: bare_seconds(tanh),
    }
    for name, activation in (("tanh", Tanh()), ("sigmoid", Sigmoid()), ("relu", LeakyRelu()), ("gelu", Gelu())):
        standard, increment = make_task(activation), make_task(activation, IncrementStateOptimization)
        work[f"64 SO steps, {name}, standard form"] = lambda task=standard: settle_seconds(task)
        work[f"64 SO steps, {name}, increment form"] = lambda task=increment: settle_seconds(task)
    work["8 EO steps, tanh"] = lambda: settle_seconds(make_task(Tanh(), ErrorOptimization, 8))
    with tempfile.TemporaryDirectory() as folder:
        work["64 SO steps, tanh, from a scenario, trace on disk"] = lambda: traced_seconds(Path(folder))
        work["pcsim --help"] = help_seconds
        for call in work.values():
            call()
        times: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(rounds):
            for name, call in work.items():
                times[name].append(call())
    return {name: median(values) for name, values in times.items()}


def table(result: dict[str, float], rounds: int) -> str:
    """Return the figures as Markdown, with machine, versions and date."""
    machine = describe_machine()
    peak = result["float32 product peak, GFLOP/s"]
    floor = product_gflop(64) / peak
    lines = [
        f"Measured {datetime.date.today().isoformat()} on {machine['processor']}, threads {machine['threads']}; "
        f"{machine['versions']}. Medians of {rounds} rounds, all workloads in turn in one process.",
        "",
        "| workload | median |",
        "|---|---|",
    ]
    for name, value in result.items():
        lines.append(f"| {name} | {f'{value:.0f}' if name.endswith('GFLOP/s') else f'{1000 * value:.1f} ms'} |")
    so, bare = result["64 SO steps, tanh, energies recorded"], result["the same without energies"]
    lines += [
        "",
        f"At the measured peak the products of the 64 SO steps alone would take {1000 * floor:.1f} ms; the run takes "
        f"{so / floor:.1f} times that. Computing and recording all energies costs {100 * (so / bare - 1):.0f} %.",
    ]
    exact = [exact_process() for _ in range(3)]
    lines.append(
        f"The exact backend on `signal-decay` (20 layers, batch 1, 64 steps, 256 bits), as a whole process: "
        f"{median(s for s, _ in exact):.1f} s and {max(m for _, m in exact):.0f} MiB."
    )
    for name in ("tanh", "sigmoid", "relu", "gelu"):
        ratio = result[f"64 SO steps, {name}, increment form"] / result[f"64 SO steps, {name}, standard form"]
        lines.append(f"The increment form costs {ratio:.2f} times the standard form with {name}.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--markdown", type=Path, help="write the table to this file too")
    arguments = parser.parse_args()
    text = table(measure(arguments.rounds), arguments.rounds)
    print(text, end="")
    if arguments.markdown:
        arguments.markdown.write_text(text)


if __name__ == "__main__":
    main()
