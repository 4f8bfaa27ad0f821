"""The benchmark network 784-(128×19)-10, batch 64, float32, as a task for any backend."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np

from pcsim.activations import Activation, Tanh
from pcsim.backend import Backend, Descent, Task
from pcsim.energy import Energy
from pcsim.inference import Inference, StateOptimization
from pcsim.initialisers import Orthogonal
from pcsim.losses import CrossEntropy
from pcsim.network import dense_chain
from pcsim.recording import every_so_many
from pcsim.steppers import GradientDescent

WIDTHS = (784, *(128,) * 19, 10)
BATCH = 64


def make_task(
    activation: Activation, method: Callable[[Energy], Inference] = StateOptimization, steps: int = 64
) -> Task:
    """Return the benchmark network with random data, in float32, recording every layer's energy at every step."""
    return _task(WIDTHS, BATCH, activation, method, steps)


def make_tiny_task() -> Task:
    """Return a thousand steps of a network so small that all that is not arithmetic shows."""
    return _task((32, 32, 32, 10), 1, Tanh(), StateOptimization, 1000)


def _task(
    widths: tuple[int, ...],
    batch: int,
    activation: Activation,
    method: Callable[[Energy], Inference],
    steps: int,
) -> Task:
    network = dense_chain(widths, activation)
    free = len(widths) - 2
    energy = Energy(network, CrossEntropy(), (1.0,) * free, (0.0,) * free)
    rng = np.random.default_rng(1)
    return Task(
        inference=method(energy),
        motion=Descent(GradientDescent(0.1), steps, every_so_many(steps, 1)),
        stop=None,
        parameters=network.draw_parameters(Orthogonal(), 0),
        x=rng.standard_normal((batch, widths[0])),
        y=np.eye(10)[rng.integers(0, 10, batch)],
        initial=None,
        record=frozenset({"energy"}),
        precision="float32",
    )


def settle_seconds(backend: Backend, task: Task) -> float:
    """Return the seconds of one inference run, energies recorded, compilation apart."""
    return backend.settle(task, lambda block: None, lambda clock: False).inference_seconds


def product_gflop(steps: int) -> float:
    """Return the 10⁹ operations of the products in SO: forward and pullback of every layer but the clamped first."""
    pairs = pairwise(WIDTHS[1:])
    return (steps + 1) * 2 * sum(2 * BATCH * a * b for a, b in pairs) / 1e9
