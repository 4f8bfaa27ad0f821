#!/usr/bin/env python3
"""Time the workloads that docs/performance.md reports, beside the machine's matrix-product peak.

usage: python tools/bench.py [--rounds 9] [--markdown FILE]

Everything is timed in one process, workloads in turn, and reported as medians: machines are shared and noisy.
"""

import argparse
import datetime
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks.scan import scan_seconds
from benchmarks.workload import BATCH, WIDTHS, make_task, make_tiny_task, product_gflop, settle_seconds
from pcsim_jax import JaxBackend
from pcsim_numba import NumbaBackend
from pcsim_numpy import NumpyBackend
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.threads import blas_threads

from pcsim.activations import Gelu, LeakyRelu, Sigmoid, Tanh
from pcsim.backend import Task
from pcsim.experiment import run
from pcsim.inference import ErrorOptimization, IncrementStateOptimization
from pcsim.provenance import describe_machine
from pcsim.scenario import parse_scenario

PEAK_OF = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
PAUSE = 0.3
FRESH_BATCHES = count(BATCH + 1)
SO = "64 SO steps, tanh, energies recorded"
BARE = "the same without energies"
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


def bare_seconds(task: Task) -> float:
    """Return the seconds of the same steps with no energy computed at all."""
    xp = NumpyNamespace()
    parameters = tuple({k: v.astype(np.float32) for k, v in layer.items()} for layer in task.parameters)
    clamped = task.inference.clamp(xp, parameters, task.x.astype(np.float32), task.y.astype(np.float32))
    with blas_threads(task.parameters, len(task.x)):
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
    command = [Path(sys.executable).with_name("pcsim"), "run", "signal-decay", "--precision", "exact", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        # A small process in between: a child starts with the peak of the one that made it.
        result = subprocess.run(
            [sys.executable, "-c", PEAK_OF, *command], cwd=folder, capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise SystemExit("the exact backend failed; install it with: pip install -e '.[exact]'")
        return time.perf_counter() - start, float(result.stdout) / 1024


def peak_gflops() -> float:
    """Return the rate of a large float32 matrix product, in 10⁹ operations a second."""
    a = np.random.default_rng(0).standard_normal((2048, 2048)).astype(np.float32)
    start = time.perf_counter()
    np.matmul(a, a)
    return 2 * 2048**3 / (time.perf_counter() - start) / 1e9


def deep_process() -> dict[str, float]:
    """Return seconds, compile seconds and peak MiB of 128 layers of 512 on JAX, as a process of its own."""
    script = Path(__file__).with_name("benchmarks") / "deep.py"
    result = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True)
    return json.loads(result.stdout)


def fresh_compile_seconds(task: Task) -> float:
    """Return the seconds JAX takes to compile a run that it has not seen: one sample more than ever before."""
    batch = next(FRESH_BATCHES)
    larger = replace(task, x=np.resize(task.x, (batch, WIDTHS[0])), y=np.resize(task.y, (batch, WIDTHS[-1])))
    return JaxBackend().settle(larger, lambda block: None, lambda clock: False).compile_seconds


def first_seconds() -> float:
    """Return the seconds of the first run of a process on Numba, imports of the backend included."""
    script = Path(__file__).with_name("benchmarks") / "first.py"
    return float(subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout)


def workloads(folder: Path) -> dict[str, Callable[[], float]]:
    """Return every workload of the table, in its order, as a function that returns seconds (or a rate)."""
    numpy, jax, numba = NumpyBackend(), JaxBackend(), NumbaBackend()
    tanh, relu = make_task(Tanh()), make_task(LeakyRelu())
    work: dict[str, Callable[[], float]] = {
        "float32 product peak, GFLOP/s": peak_gflops,
        SO: lambda: settle_seconds(numpy, tanh),
        BARE: lambda: bare_seconds(tanh),
        "jax: 64 SO steps, tanh, energies recorded": lambda: settle_seconds(jax, tanh),
        "numba: 64 SO steps, tanh, energies recorded": lambda: settle_seconds(numba, tanh),
        "hand-written lax.scan, tanh": scan_seconds(tanh, "tanh"),
        "jax: 64 SO steps, relu, energies recorded": lambda: settle_seconds(jax, relu),
        "numba: 64 SO steps, relu, energies recorded": lambda: settle_seconds(numba, relu),
        "hand-written lax.scan, relu": scan_seconds(relu, "relu"),
        "jax: compiling the tanh run": lambda: fresh_compile_seconds(tanh),
    }
    for name, activation in (("tanh", Tanh()), ("sigmoid", Sigmoid()), ("relu", LeakyRelu()), ("gelu", Gelu())):
        standard, increment = make_task(activation), make_task(activation, IncrementStateOptimization)
        work[f"64 SO steps, {name}, standard form"] = lambda task=standard: settle_seconds(numpy, task)
        work[f"64 SO steps, {name}, increment form"] = lambda task=increment: settle_seconds(numpy, task)
        work[f"jax: 64 SO steps, {name}, increment form"] = lambda task=increment: settle_seconds(jax, task)
        work[f"numba: 64 SO steps, {name}, increment form"] = lambda task=increment: settle_seconds(numba, task)
    errors = make_task(Tanh(), ErrorOptimization, 8)
    work["8 EO steps, tanh"] = lambda: settle_seconds(numpy, errors)
    work["jax: 8 EO steps, tanh"] = lambda: settle_seconds(jax, errors)
    work["numba: 8 EO steps, tanh"] = lambda: settle_seconds(numba, errors)
    tiny = make_tiny_task()
    work["numba: 1000 SO steps of 3 layers of 32, batch 1"] = lambda: settle_seconds(numba, tiny)
    work["numba: the first run of a process, kernels on disk"] = first_seconds
    work["64 SO steps, tanh, from a scenario, trace on disk"] = lambda: traced_seconds(folder)
    work["pcsim --help"] = help_seconds
    return work


def measure(rounds: int) -> dict[str, float]:
    """Return the median of every workload, in the order of the table."""
    with tempfile.TemporaryDirectory() as folder:
        work = workloads(Path(folder))
        for call in work.values():
            call()
        times: dict[str, list[float]] = {name: [] for name in work}
        for _ in range(rounds):
            for name, call in work.items():
                # No workload is to pay for the one before: its threads go to sleep, then the caches are filled.
                time.sleep(PAUSE)
                call()
                times[name].append(call())
    return {name: median(values) for name, values in times.items()}


def table(result: dict[str, float], rounds: int) -> str:
    """Return the figures as Markdown, with machine, versions and date."""
    machine = describe_machine(("jax", "jaxlib", "numba"))
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
    so, bare = result[SO], result[BARE]
    lines += [
        "",
        f"At the measured peak the products of the 64 SO steps alone would take {1000 * floor:.1f} ms; the run takes "
        f"{so / floor:.1f} times that. Computing and recording all energies costs {100 * (so / bare - 1):.0f} %.",
    ]
    for name in ("tanh", "relu"):
        ratio = result[f"jax: 64 SO steps, {name}, energies recorded"] / result[f"hand-written lax.scan, {name}"]
        lines.append(f"JAX takes {ratio:.2f} times as long as the hand-written `lax.scan` with {name}.")
    deep = [deep_process() for _ in range(3)]
    lines.append(
        f"JAX on 128 layers of 512 (µPC, skips, batch 64), 128 SO steps and the weight gradients, as a whole process: "
        f"{median(d['seconds'] for d in deep):.2f} s after {median(d['compile_seconds'] for d in deep):.2f} s of "
        f"compilation, {max(d['peak_mib'] for d in deep):.0f} MiB."
    )
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
