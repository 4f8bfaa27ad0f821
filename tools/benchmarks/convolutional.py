"""Convolutional networks to be timed: an update of EO training of each, here and as others are told of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import pcsim
from pcsim.assemble.model import build_network
from pcsim.engine.backend import TrainingBackend
from pcsim.inference import ErrorOptimization
from pcsim.inference.steppers import GradientDescent
from pcsim.learning import Adam, Learner
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.energy import Energy
from pcsim.model.initialisers import PyTorch
from pcsim.model.layers import AveragePool, BatchNorm, Branch, Convolution, Dense, Layer, MaxPool, Part, Pointwise
from pcsim.model.losses import CrossEntropy
from pcsim.model.network import Network

STEPS, STEP_SIZE, RATE = 5, 0.1, 1e-4
SCENARIO = """
title = "benchmark"
seed = 0
[network]
input = {image}
activation = "gelu"
init = "pytorch"
architecture = "{architecture}"
width = {width}
output = 10
[data]
name = "digits"
batch = 1
[inference]
method = "error"
loss = "cross-entropy"
steps = 1
step_size = 0.1
"""


@dataclass(frozen=True)
class Workload:
    """An architecture at a width, on images (height, width, channels), so many a batch."""

    architecture: str
    width: float
    image: tuple[int, int, int]
    batch: int

    @property
    def name(self) -> str:
        """What it is called in tables."""
        size = " × ".join(map(str, self.image))
        return f"{self.architecture}, width {self.width:g}, {size}, batch {self.batch}"

    def task(self, folder: Path) -> TrainingTask:
        """Return the task of training it on random images."""
        file = folder / "scenario.toml"
        file.write_text(SCENARIO.format(architecture=self.architecture, width=self.width, image=list(self.image)))
        network = build_network(pcsim.read_scenario(file))
        free = len(network.layers) - 1
        energy = Energy(network, CrossEntropy(), (1.0,) * free, (0.0,) * free)
        learner = Learner(ErrorOptimization(energy), GradientDescent(STEP_SIZE), STEPS, Adam())
        rng = np.random.default_rng(1)
        x, y = rng.standard_normal((self.batch, *self.image)), np.eye(10)[rng.integers(0, 10, self.batch)]
        return TrainingTask(learner, network.draw_parameters(PyTorch(), 0), x, y, "float32")


WORKLOADS = (
    Workload("vgg-5", 0.25, (28, 28, 1), 64),
    Workload("vgg-5", 1.0, (32, 32, 3), 64),
    Workload("resnet-18", 0.25, (32, 32, 3), 64),
)


def operations(task: TrainingTask) -> float:
    """Return the floating-point operations of all products of an update.

    A forward pass for each step and one more, the pullbacks of every step and the weights' gradients; the first layer
    goes forward once and is not pulled back.
    """
    first, *others = (sum(part.multiplications for part in layer.parts) for layer in network_of(task).layers)
    return 2.0 * len(task.x) * (2 * first + (2 * STEPS + 2) * sum(others))


def update_on(backend: TrainingBackend, task: TrainingTask) -> tuple[Callable[[], float], Any]:
    """Return what to call for the seconds of an update, and the layers' energies after the first."""
    trainer: Trainer = backend.trainer(task)
    batches, rates = np.arange(len(task.x))[None], np.array([RATE])
    energy = trainer.run(batches, rates).energy[0]

    def seconds() -> float:
        start = time.perf_counter()
        trainer.run(batches, rates)
        return time.perf_counter() - start

    return seconds, energy


def network_of(task: TrainingTask) -> Network:
    """Return the network in training."""
    return task.learner.inference.energy.network


def described(task: TrainingTask) -> list[dict[str, Any]]:
    """Return the layers in words of JSON, for programs that know nothing of ours."""
    return [_layer(layer) for layer in network_of(task).layers]


def _layer(layer: Layer) -> dict[str, Any]:
    pools = [part for part in layer.parts if isinstance(part, MaxPool | AveragePool)]
    pool = {"pool": [pools[0].height, pools[0].width], "largest": isinstance(pools[0], MaxPool)} if pools else {}
    (activation,) = (type(part.activation).__name__.lower() for part in layer.parts if isinstance(part, Pointwise))
    return {"branches": [_branch(branch) for branch in layer.branches], "activation": activation} | pool


def _branch(branch: Branch) -> dict[str, Any]:
    def of(kind: type[Part]) -> Any:
        return next((part for part in branch.chain.parts if isinstance(part, kind)), None)

    found: dict[str, Any] = {"source": branch.source, "prefix": branch.prefix, "norm": of(BatchNorm) is not None}
    convolution: Convolution | None = of(Convolution)
    if convolution is not None:
        found |= {"conv": list(convolution.window)}
    return found | {"dense": of(Dense) is not None}
