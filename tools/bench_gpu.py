#!/usr/bin/env python3
"""Time a step of the CuPy backend on a GPU, and its products alone, by CUDA events around captured graphs.

usage: python tools/bench_gpu.py [--rounds 15]

Whole runs on CuPy and on JAX are among those of tools/bench.py.
"""

import argparse
import datetime
import importlib
import sys
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.workload import Size, make_task
from pcsim_cupy import CupyBackend
from pcsim_cupy.kernels.cuda import CudaDevice
from pcsim_cupy.kernels.running_batch import RunningBatch, packed_parameters
from pcsim_cupy.kernels.storage import STORAGES
from pcsim_cupy.kernels.work import Work

from pcsim.engine.backend import Task
from pcsim.model.activations import Tanh
from pcsim.runs.provenance import describe_machine

STEPS = 64
SIZES = (Size(), Size(width=1024, batch=1024))


def main() -> None:
    parser = argparse.ArgumentParser(description="Time a step of the CuPy backend, and its products alone.")
    parser.add_argument("--rounds", type=int, default=15)
    rounds: int = parser.parse_args().rounds
    able = CupyBackend().capabilities()
    if able.problem is not None:
        sys.exit(f"nothing to measure: {able.problem}; {able.fix}")
    print(f"Measured {datetime.date.today()} on {able.device}; {describe_machine(able.packages)['versions']}.\n")
    print("| 20 layers, tanh, float32 | a step | its products alone | share |\n| --- | --- | --- | --- |")
    for size in SIZES:
        step, products = step_and_products(make_task(Tanh(), size=size), rounds)
        name = f"width {size.width}, batch {size.batch}"
        print(f"| {name} | {1e3 * step:.1f} µs | {1e3 * products:.1f} µs | {products / step:.0%} |")


def step_and_products(task: Task, rounds: int) -> tuple[float, float]:
    """Return the milliseconds of a captured step of state optimization, and of its products alone."""
    device = CudaDevice(STORAGES[task.precision])
    packed = device.storage.packed
    with device.active():
        samples = RunningBatch(device, task.inference, task.descent.stepper, len(task.x))
        samples.set_parameters(packed_parameters(device, task.parameters))
        samples.clamp(device.put(packed(task.x)), device.put(packed(task.y)))
        samples.begin()
        step = samples.captured_step()
        work = Work(device, samples.plan, samples.buffers)

        def multiply() -> None:
            work.forward_all(1)
            work.back_all()

        products = device.capture(multiply)
        times = [(milliseconds(step), milliseconds(products)) for _ in range(rounds + 1)][1:]
    return median(a for a, _ in times), median(b for _, b in times)


def milliseconds(repeat: Callable[[], None]) -> float:
    """Return how long one of many repetitions takes on the device."""
    cuda: Any = importlib.import_module("cupy").cuda
    begin, end = cuda.Event(), cuda.Event()
    begin.record()
    for _ in range(STEPS):
        repeat()
    end.record()
    end.synchronize()
    return float(cuda.get_elapsed_time(begin, end)) / STEPS


if __name__ == "__main__":
    main()
