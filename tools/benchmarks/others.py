"""What is timed beside the table of workloads: baselines, compilation, whole processes."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from statistics import median

import numpy as np
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.threads import blas_threads

import pcsim
from benchmarks.table import SO, tasks
from benchmarks.whole import scenario
from benchmarks.workload import BATCH, one_more_sample
from pcsim.engine.backend import Backend, Task

PROGRAM = [sys.executable, "-m", "pcsim"]
PEAK_OF = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
ROUNDS_OF_PROCESSES = 3
BARE = "numpy: 64 SO steps, tanh, no energies computed"
FRESH_BATCHES = count(BATCH + 1)


def other_work(backends: Mapping[str, Backend], folder: Path) -> dict[str, Callable[[], float]]:
    """Return what to call for the seconds of each of the others that takes its turn with the workloads."""
    task = tasks()[SO]
    work: dict[str, Callable[[], float]] = {BARE: lambda: bare_seconds(task)}
    work["numpy: 64 SO steps, tanh, from a scenario, trace on disk"] = lambda: traced_seconds(folder)
    if "jax" in backends:
        from benchmarks.scan import scan_seconds

        work["hand-written lax.scan, 64 SO steps, tanh"] = scan_seconds(task, "tanh")
        work["hand-written lax.scan, 64 SO steps, ReLU"] = scan_seconds(tasks()["64 SO steps, ReLU"], "relu")
        work["jax: compiling 64 SO steps, tanh"] = lambda: compile_seconds(backends["jax"], task)
    if "numba" in backends:
        work["numba: the first run of a process, kernels on disk"] = lambda: float(script("first.py"))
    work["pcsim --help, a process"] = help_seconds
    return work


def bare_seconds(task: Task) -> float:
    """Return the seconds of the same steps with no energy computed at all."""
    xp = NumpyNamespace()
    parameters = tuple({k: v.astype(np.float32) for k, v in layer.items()} for layer in task.parameters)
    clamped = task.inference.clamp(xp, parameters, task.x.astype(np.float32), task.y.astype(np.float32))
    with blas_threads(task.inference.energy.network, len(task.x)):
        start = time.perf_counter()
        carry = task.inference.begin(xp, clamped, None, task.descent.stepper)
        for step in range(1, task.descent.steps + 1):
            point = task.inference.evaluate(xp, clamped, carry)
            carry = task.inference.advance(xp, clamped, point, carry, task.descent.stepper, step)
        task.inference.evaluate(xp, clamped, carry)
        return time.perf_counter() - start


def traced_seconds(folder: Path) -> float:
    """Return the inference seconds of the same run from a scenario, its trace written to disk."""
    with pcsim.run(scenario(folder), path=folder / "trace.h5", force=True) as trace:
        return float(trace.attributes["inference_seconds"])


def compile_seconds(backend: Backend, task: Task) -> float:
    """Return the seconds it takes to compile a run that it has not seen: one sample more than ever before."""
    larger = one_more_sample(task, next(FRESH_BATCHES))
    return backend.settle(larger, lambda block: None, lambda clock: False).compile_seconds


def help_seconds() -> float:
    """Return the seconds `pcsim --help` takes as a process of its own."""
    start = time.perf_counter()
    subprocess.run([*PROGRAM, "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def processes(backends: Mapping[str, Backend]) -> list[str]:
    """Return sentences on runs that are measured as whole processes."""
    found: list[str] = []
    if "jax" in backends:
        deep = [json.loads(script("deep.py")) for _ in range(ROUNDS_OF_PROCESSES)]
        found.append(
            "JAX on 128 layers of 512 (µPC, skips, batch 64), 128 SO steps and the weight gradients, as a whole "
            f"process: {median(d['seconds'] for d in deep):.2f} s after "
            f"{median(d['compile_seconds'] for d in deep):.2f} s of compilation, "
            f"{max(d['peak_mib'] for d in deep):.0f} MiB."
        )
    exact = [exact_process() for _ in range(ROUNDS_OF_PROCESSES)]
    if None not in exact:
        seconds, mib = zip(*(pair for pair in exact if pair is not None), strict=True)
        found.append(
            "The exact backend on `signal-decay` (20 layers, batch 1, 64 steps, 256 bits), as a whole process: "
            f"{median(seconds):.1f} s and {max(mib):.0f} MiB."
        )
    return found


def script(name: str) -> str:
    """Return what a script beside this file prints."""
    path = Path(__file__).with_name(name)
    return subprocess.run([sys.executable, path], check=True, capture_output=True, text=True).stdout


def exact_process() -> tuple[float, float] | None:
    """Return wall seconds and peak MiB of `pcsim run signal-decay --precision exact`, None where that cannot run."""
    command = [*PROGRAM, "run", "signal-decay", "--precision", "exact", "--quiet"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        # A small process in between: a child starts with the peak of the one that made it.
        result = subprocess.run(
            [sys.executable, "-c", PEAK_OF, *command], cwd=folder, capture_output=True, text=True, check=False
        )
        return None if result.returncode else (time.perf_counter() - start, float(result.stdout) / 1024)
