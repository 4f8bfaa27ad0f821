#!/usr/bin/env python3
"""Time 128 SO steps and the weight gradients of 128 layers of 512 on JAX, in a process of its own.

The network has µPC's parametrisation and skips, ReLU, batch 64, float32.

usage: python tools/benchmarks/deep.py
Prints one line of JSON: seconds of the compiled call (median of three), seconds of compilation, peak MiB.
"""

import json
import re
import time
from pathlib import Path
from statistics import median

import jax
import numpy as np
from pcsim_jax.arrays import settings, to_run
from pcsim_jax.gradient_step import gradient_step

from pcsim.inference import StateOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.model.activations import LeakyRelu
from pcsim.model.energy import Energy
from pcsim.model.losses import CrossEntropy
from pcsim.model.network import dense_chain

STEPS = 128
HIDDEN = 127


def main() -> None:
    network = dense_chain(
        (784, *(512,) * HIDDEN, 10), LeakyRelu(), activation_first=True, bias=False, skip=1, mupc=True
    )
    energy = Energy(network, CrossEntropy(), (1.0,) * HIDDEN, (0.0,) * HIDDEN)
    rng = np.random.default_rng(0)
    shapes = [{name: p.shape for name, p in parameters.items()} for parameters in network.parameters]
    with settings():
        parameters = tuple(
            {name: to_run(rng.standard_normal(shape), "float32") for name, shape in layer.items()} for layer in shapes
        )
        x = to_run(rng.standard_normal((64, 784)), "float32")
        y = to_run(np.eye(10)[rng.integers(0, 10, 64)], "float32")
    step = gradient_step(StateOptimization(energy), GradientDescent(0.1), "float32")
    times: list[float] = []
    for _ in range(4):
        start = time.perf_counter()
        jax.block_until_ready(step(parameters, x, y, STEPS))
        times.append(time.perf_counter() - start)
    seconds = median(times[1:])
    print(json.dumps({"seconds": seconds, "compile_seconds": times[0] - seconds, "peak_mib": peak_mib()}))


def peak_mib() -> float:
    """Return the peak of this process alone: what `getrusage` gives can be that of the one that made it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    main()
