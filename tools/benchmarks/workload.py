"""The benchmark network 784-(128x19)-10, batch 64, float32, and relatives of it, as tasks for any backend."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pcsim.engine.backend import Backend, Descent, Task
from pcsim.inference import Inference, StateOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.model.activations import Activation, Tanh
from pcsim.model.energy import Energy
from pcsim.model.initialisers import Orthogonal
from pcsim.model.losses import CrossEntropy
from pcsim.model.network import dense_chain
from pcsim.trace.recording import every_so_many

STEP_SIZE = 0.1
BATCH = 64


@dataclass(frozen=True)
class Size:
    """A network of `layers` layers between 784 inputs and 10 outputs, hidden ones `width` wide, and a batch."""

    layers: int = 20
    width: int = 128
    batch: int = BATCH

    @property
    def widths(self) -> tuple[int, ...]:
        """Units from the input to the output."""
        return (784, *(self.width,) * (self.layers - 1), 10)


def make_task(
    activation: Activation,
    method: Callable[[Energy], Inference] = StateOptimization,
    steps: int = 64,
    size: Size | None = None,
) -> Task:
    """Return the benchmark network with random data, in float32, recording every layer's energy at every step."""
    size = Size() if size is None else size
    return _task(size.widths, size.batch, activation, method, steps)


def make_tiny_task() -> Task:
    """Return a thousand steps of a network so small that all that is not arithmetic shows."""
    return _task((32, 32, 32, 10), 1, Tanh(), StateOptimization, 1000)


def one_more_sample(task: Task, batch: int) -> Task:
    """Return a task with another batch."""
    x, y = (np.resize(values, (batch, values.shape[1])) for values in (task.x, task.y))
    return replace(task, x=x, y=y)


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
        motion=Descent(GradientDescent(STEP_SIZE), steps, every_so_many(steps, 1)),
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


def product_gflop(task: Task) -> float:
    """Return the 10⁹ operations of a task's products: forward and pullback of every layer but the clamped first."""
    widths = [layer["W"].shape for layer in task.parameters[1:]]
    return (task.descent.steps + 1) * 4 * len(task.x) * sum(a * b for a, b in widths) / 1e9
