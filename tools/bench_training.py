#!/usr/bin/env python3
"""Time an update of training by predictive coding against one by backpropagation of the same network and backend.

usage: python tools/bench_training.py [--rounds 9]

T steps of inference and the weight gradients are (2T + 3)/3 times the matrix products of backpropagation: that, and
15 % for everything else, is the aim. Workloads take turns in one process; medians.
"""

import argparse
import datetime
import time
from collections.abc import Callable
from statistics import median

import numpy as np
from pcsim_jax import JaxBackend
from pcsim_numpy import NumpyBackend
from studies.pages import table

from pcsim.activations import Gelu
from pcsim.backend import TrainingBackend
from pcsim.energy import Energy
from pcsim.inference import Backprop, ErrorOptimization, Inference, StateOptimization
from pcsim.initialisers import Orthogonal
from pcsim.learning import Adam, Learner
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.losses import CrossEntropy
from pcsim.network import dense_chain
from pcsim.provenance import describe_machine
from pcsim.steppers import GradientDescent

BATCH = 64
SAMPLES = 4096
DEPTHS = (4, 20)
WAYS: tuple[tuple[str, Callable[[Energy], Inference], int], ...] = (
    ("backpropagation", Backprop, 1),
    ("EO, T = 4", ErrorOptimization, 4),
    ("EO, T = 8", ErrorOptimization, 8),
    ("SO, T = 4", StateOptimization, 4),
    ("SO, T = 8", StateOptimization, 8),
    ("SO, T = 20", StateOptimization, 20),
)


def make_trainer(backend: TrainingBackend, layers: int, method: Callable[[Energy], Inference], steps: int) -> Trainer:
    """Return 784-128-…-10 in training on random data."""
    network = dense_chain((784, *(128,) * (layers - 1), 10), Gelu())
    energy = Energy(network, CrossEntropy(), (1.0,) * (layers - 1), (0.0,) * (layers - 1))
    learner = Learner(method(energy), GradientDescent(0.01), steps, Adam())
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((SAMPLES, 784)), np.eye(10)[rng.integers(0, 10, SAMPLES)]
    return backend.trainer(TrainingTask(learner, network.draw_parameters(Orthogonal(), 0), x, y, "float32"))


def seconds(trainer: Trainer, updates: int) -> float:
    """Return the seconds of one update."""
    batches = np.arange(updates * BATCH).reshape(updates, BATCH) % SAMPLES
    rates = np.full(updates, 1e-5)
    start = time.perf_counter()
    trainer.run(batches, rates)
    return (time.perf_counter() - start) / updates


def compare(backend: TrainingBackend, layers: int, rounds: int, updates: int) -> list[list[str]]:
    """Return a row a way: milliseconds, share of the allowance."""
    trainers = [make_trainer(backend, layers, method, steps) for _, method, steps in WAYS]
    for trainer in trainers:
        seconds(trainer, updates)
    times: list[list[float]] = [[] for _ in WAYS]
    for _ in range(rounds):
        for trainer, found in zip(trainers, times, strict=True):
            found.append(seconds(trainer, updates))
    best = [median(found) for found in times]
    rows: list[list[str]] = []
    for (name, method, steps), took in zip(WAYS, best, strict=True):
        allowed = (2 * steps + 3) / 3 * 1.15
        ratio = took / best[0]
        compared = ["1", "–"] if method is Backprop else [f"{ratio:.2f}", f"{allowed:.2f}"]
        rows.append([name, f"{1000 * took:.2f} ms", *compared])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description="Time an update of training against one by backpropagation.")
    parser.add_argument("--rounds", type=int, default=9)
    rounds: int = parser.parse_args().rounds
    machine = describe_machine(("jax", "jaxlib"))
    print(
        f"Measured {datetime.date.today().isoformat()} by `tools/bench_training.py` on {machine['processor']}, "
        f"threads {machine['threads']}; {machine['versions']}. Medians of {rounds} rounds."
    )
    for name, backend in (("jax", JaxBackend()), ("numpy", NumpyBackend())):
        for layers in DEPTHS:
            header = [f"{name}, {layers} layers of 128, GELU", "one update", "times backpropagation", "allowed"]
            print("\n" + table(header, compare(backend, layers, rounds, 64 if layers == 4 else 16)), end="")


if __name__ == "__main__":
    main()
