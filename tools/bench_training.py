#!/usr/bin/env python3
"""Time an update of training by predictive coding against one by backpropagation of the same network and backend.

usage: python tools/bench_training.py [--rounds 9] [--whole] [--markdown FILE]

All that docs/performance.md shows of training is made by
    PCSIM_DATA=FOLDER python tools/bench_training.py --whole --markdown docs/training-speed-figures.md
T steps of inference and the weight gradients are (2T + 3)/3 times the matrix products of backpropagation: that, and
15 % for everything else, is the aim. Workloads take turns in one process; medians.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks.backends import usable_backends
from studies.pages import measured, table

import pcsim
from pcsim.engine.backend import TrainingBackend
from pcsim.inference import Backprop, ErrorOptimization, Inference, StateOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.learning import Adam, Learner
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.activations import Gelu
from pcsim.model.energy import Energy
from pcsim.model.initialisers import Orthogonal
from pcsim.model.losses import CrossEntropy
from pcsim.model.network import dense_chain

BATCH = 64
SAMPLES = 4096
DEPTHS = (4, 20)
WHOLE = {"train-mnist-eo-mse": 25.0, "train-deep-mnist-eo-mse": 60.0}
"""Scenarios that are timed as whole runs, and the seconds aimed at on two cores."""
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


def whole_runs(names: list[str]) -> str:
    """Return the wall seconds of whole runs, compilation and the evaluation after every epoch included."""
    rows: list[list[str]] = []
    for scenario, aim in WHOLE.items():
        found: list[str] = []
        for name in names:
            start = time.perf_counter()
            pcsim.run(pcsim.read_scenario(scenario, backend=name).at_seed(0)).close()
            found.append(f"{time.perf_counter() - start:.1f}")
        rows.append([f"`{scenario}`", *found, f"{aim:g}"])
    return "\n## Whole runs\n\n" + table(["wall seconds", *names, "aim"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time an update of training against one by backpropagation.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--whole", action="store_true", help="time whole runs on MNIST, too: some minutes")
    parser.add_argument("--markdown", type=Path, help="write the page to this file, too")
    arguments = parser.parse_args()
    found, left_out = usable_backends()
    backends = {name: backend for name, backend in found.items() if isinstance(backend, TrainingBackend)}
    parts = [f"# Training: measured speed\n\n{measured('bench_training.py')}Medians of {arguments.rounds} rounds.\n"]
    parts += [f"{why}.\n" for why in left_out]
    for name, backend in backends.items():
        for layers in DEPTHS:
            header = [f"{name}, {layers} layers of 128, GELU", "one update", "times backpropagation", "allowed"]
            rows = compare(backend, layers, arguments.rounds, 64 if layers == 4 else 16)
            parts.append("\n" + table(header, rows))
    if arguments.whole:
        parts.append(whole_runs([name for name in backends if name != "numpy"]))
    text = "".join(parts)
    print(text, end="")
    if arguments.markdown:
        arguments.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
