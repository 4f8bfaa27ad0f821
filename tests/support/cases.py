"""Small random networks and tasks that many tests share."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pcsim_numpy import NumpyBackend
from pcsim_numpy.namespace import NumpyNamespace

from pcsim.engine.backend import Descent, Task
from pcsim.inference import (
    Backprop,
    ErrorOptimization,
    FixedPredictions,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    Inference,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.inference.steppers import GradientDescent, Stepper
from pcsim.model import activations, losses
from pcsim.model.energy import Clamped, Energy
from pcsim.model.initialisers import Orthogonal
from pcsim.model.network import Network, dense_chain
from pcsim.trace import Block
from pcsim.trace.recording import every_so_many

if TYPE_CHECKING:
    from tests.support.oracle import Oracle

XP = NumpyNamespace()

ACTIVATIONS: dict[str, activations.Activation] = {
    "linear": activations.Linear(),
    "tanh": activations.Tanh(),
    "sigmoid": activations.Sigmoid(),
    "relu": activations.LeakyRelu(0.0),
    "leaky_relu": activations.LeakyRelu(0.01),
    "gelu": activations.Gelu(),
}
METHODS = {
    "state": StateOptimization,
    "increment": IncrementStateOptimization,
    "error": ErrorOptimization,
    "sequential": SequentialStateOptimization,
    "sequential-increment": IncrementSequentialStateOptimization,
    "fixed": FixedPredictions,
    "backprop": Backprop,
}
LOSSES: dict[str, losses.Loss] = {
    "squared-error": losses.SquaredError(),
    "cross-entropy": losses.CrossEntropy(),
    "binary-cross-entropy": losses.BinaryCrossEntropy(),
}


@dataclass(frozen=True)
class Case:
    """A network, its energy, what an oracle must know of it, and random parameters and data."""

    network: Network
    energy: Energy
    equations: dict[str, Any] = field(repr=False)
    parameters: tuple[dict[str, NDArray[np.float64]], ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    states: tuple[NDArray[np.float64], ...] = field(repr=False)

    @cached_property
    def oracle(self) -> "Oracle":
        """The same energy on JAX, which is imported here: most tests do without. Needs `jax_in_double`."""
        from tests.support.oracle import Oracle

        return Oracle(**self.equations)

    def clamped(self) -> Clamped:
        return self.energy.clamp(XP, self.parameters, self.x, self.y)


def make_case(
    activation: str = "tanh",
    *,
    widths: tuple[int, ...] = (5, 6, 6, 6, 6, 3),
    batch: int = 4,
    loss: str = "squared-error",
    seed: int = 0,
    gain: float = 1.2,
    precisions: bool = False,
    decays: bool = False,
    clamp_precision: float | None = None,
    **network_options: Any,
) -> Case:
    rng = np.random.default_rng([seed, 99])
    network = dense_chain(widths, ACTIVATIONS[activation], **network_options)
    free = len(widths) - 2
    parameters = network.draw_parameters(Orthogonal(gain), seed)
    for layer in parameters:
        if "b" in layer:
            layer["b"] = 0.3 * rng.standard_normal(layer["b"].shape)
    x = rng.standard_normal((batch, widths[0]))
    y = rng.uniform(0.05, 0.95, (batch, widths[-1]))
    gammas = tuple(rng.uniform(0.5, 2.0, free).tolist()) if precisions else (1.0,) * free
    deltas = tuple(rng.uniform(0.1, 0.5, free).tolist()) if decays else (0.0,) * free
    chosen = LOSSES[loss] if clamp_precision is None else losses.SoftClampedSquaredError(clamp_precision)
    equations = {k: v for k, v in network_options.items() if k in ("activation_first", "sigmoid_output", "skip")} | {
        "activation": activation,
        "scales": tuple(layer.premultiplier for layer in network.layers),
        "loss": loss,
        "precisions": gammas,
        "decays": deltas,
        "clamp_precision": clamp_precision,
    }
    states = tuple(rng.standard_normal((batch, n)) for n in widths[1:-1])
    return Case(network, Energy(network, chosen, gammas, deltas), equations, parameters, x, y, states)


def make_task(
    case: Case,
    inference: Inference | None = None,
    *,
    stepper: Stepper | None = None,
    steps: int = 10,
    recorded: Sequence[int] | None = None,
    precision: str = "float64",
    record: tuple[str, ...] = ("energy", "grad_norm"),
    **options: Any,
) -> Task:
    task = Task(
        inference=StateOptimization(case.energy) if inference is None else inference,
        motion=Descent(
            GradientDescent(0.1) if stepper is None else stepper,
            steps,
            every_so_many(steps, 1) if recorded is None else recorded,
        ),
        stop=None,
        parameters=case.parameters,
        x=case.x,
        y=case.y,
        initial=None,
        record=frozenset(record),
        precision=precision,
    )
    return replace(task, **options)


def settle(task: Task) -> tuple[Any, Any]:
    """Run a task on numpy and return what it leaves and all its rows in one block."""
    blocks: list[Block] = []
    settled = NumpyBackend().settle(task, blocks.append, lambda step: False)
    return settled, join(blocks)


def join(blocks: list[Block]) -> Block:
    def joined(name: str) -> Any:
        parts = [getattr(block, name) for block in blocks]
        if parts[0] is None:
            return None
        if isinstance(parts[0], tuple):
            return tuple(np.concatenate(layer) for layer in zip(*parts, strict=True))
        return np.concatenate(parts)

    names = ("clock", "energy", "grad_norm", "energy_per_sample", "states", "errors", "energy_bound", "input")
    return Block(**{name: joined(name) for name in names})
