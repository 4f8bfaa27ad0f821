#!/usr/bin/env python3
"""Time an update of every local method against one of state optimization, by the products that each needs.

usage: python tools/bench_methods.py [--backend jax] [--layers 20] [--rounds 7] [--only TEXT] [--markdown FILE]

The methods are those of tools/studies/local_methods.py, as many steps each as its bench gives them. What is compared
is time over multiplications with weights; 15 % more of it than state optimization takes is the aim. Workloads take
turns in one process, which has one core, and then in one that has all; medians. Needs Linux, which gives cores away.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks.backends import usable_backends
from studies.local_methods import BACKPROPAGATION, CHAINS, METHODS, Cell, Method
from studies.pages import measured, table

from pcsim.assemble import build_learner, build_network
from pcsim.engine.backend import TrainingBackend
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.initialisers import Orthogonal
from pcsim.scenario import read_scenario

AIM = 1.15
BATCH = 64
UPDATES = 16
STATE = METHODS[1]


def trainer_of(backend: TrainingBackend, cell: Cell) -> Trainer:
    """Return the network of the bench in training by a method, on random data."""
    sizes = [f"inference.step_size={cell.method.step_sizes[0]}"] if cell.method.step_sizes else []
    steps = [] if cell.method is BACKPROPAGATION else [f"inference.steps={cell.steps}"]
    scenario = read_scenario("deep-local", ["network.input=784", *cell.base, *steps, *sizes])
    network = build_network(scenario)
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((UPDATES * BATCH, 784)), np.eye(10)[rng.integers(0, 10, UPDATES * BATCH)]
    parameters = network.draw_parameters(Orthogonal(), 0)
    return backend.trainer(TrainingTask(build_learner(scenario, network), parameters, x, y, "float32"))


def seconds(trainer: Trainer) -> float:
    """Return the seconds of one update."""
    start = time.perf_counter()
    trainer.run(np.arange(UPDATES * BATCH).reshape(UPDATES, BATCH), np.full(UPDATES, 1e-5))
    return (time.perf_counter() - start) / UPDATES


def compared(backend: TrainingBackend, cells: list[Cell], rounds: int) -> list[list[str]]:
    """Return a line a method: milliseconds, millions of multiplications, time for each beside state optimization's."""
    trainers = [trainer_of(backend, cell) for cell in cells]
    for trainer in trainers:
        seconds(trainer)
    times: list[list[float]] = [[] for _ in cells]
    for _ in range(rounds):
        for trainer, found in zip(trainers, times, strict=True):
            found.append(seconds(trainer))
    took = [median(found) for found in times]
    rates = [each / cell.work for each, cell in zip(took, cells, strict=True)]
    reference = rates[cells.index(next(cell for cell in cells if cell.method is STATE))]
    return [
        [cell.method.name, f"{1000 * each:.1f} ms", f"{cell.work / 1e6:.1f}", f"{rate / reference:.2f}"]
        for cell, each, rate in zip(cells, took, rates, strict=True)
    ]


def chosen(only: str) -> list[Method]:
    """Return the methods with a text in their name, and state optimization; a search has no number of products."""
    fixed = [method for method in METHODS if "inference.method=equilibrium" not in method.overrides]
    return [method for method in fixed if only in method.name or method is STATE]


def rows_on(cores: frozenset[int], name: str, layers: int, only: str, rounds: int) -> list[list[str]]:
    """Return the table of a backend that has these cores; called in a process of its own."""
    os.sched_setaffinity(0, cores)
    backend = usable_backends([name])[0][name]
    if not isinstance(backend, TrainingBackend):
        raise SystemExit(f"the backend {name} does not train")
    return compared(backend, [Cell(method, CHAINS[layers], "MNIST") for method in chosen(only)], rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description="Time an update of every local method.")
    parser.add_argument("--backend", default="jax")
    parser.add_argument("--layers", type=int, default=20, choices=list(CHAINS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="methods with this text in their name")
    parser.add_argument("--markdown", type=Path, help="write the page to this file, too")
    given = parser.parse_args()
    every = frozenset(os.sched_getaffinity(0))
    text = f"# Local methods: measured speed\n\n{measured('bench_methods.py')}Medians of {given.rounds} rounds.\n"
    for cores in dict.fromkeys([frozenset([min(every)]), every]):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            told = given.backend, given.layers, given.only, given.rounds
            rows = process.submit(rows_on, cores, *told).result()
        header = [
            f"{given.backend}, {given.layers} layers of 128, tanh, batch {BATCH}",
            "one update",
            "million multiplications of a sample",
            f"time for each, state optimization 1, aim {AIM}",
        ]
        text += f"\n## {'one core' if len(cores) == 1 else f'{len(cores)} cores'}\n\n" + table(header, rows)
    print(text, end="")
    if given.markdown:
        given.markdown.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
