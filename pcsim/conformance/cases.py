"""Small random networks, and tasks of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from pcsim.engine.backend import Backend, Descent, Settled, Task
from pcsim.engine.registry import load_backend
from pcsim.inference import (
    AugmentedLagrangian,
    Backprop,
    Bidirectional,
    EquilibriumPropagation,
    ErrorOptimization,
    FixedPredictions,
    IncrementSequentialStateOptimization,
    IncrementStateOptimization,
    Inference,
    PrecisionWeighted,
    SequentialStateOptimization,
    StateOptimization,
)
from pcsim.inference.steppers import GradientDescent, Stepper
from pcsim.model import activations, losses
from pcsim.model.energy import Energy
from pcsim.model.initialisers import Orthogonal
from pcsim.model.layers import read_as_dense
from pcsim.model.network import Network, dense_chain
from pcsim.trace.layout import Block
from pcsim.trace.recording import every_so_many
from pcsim.typing import NDArray

ACTIVATIONS: dict[str, activations.Activation] = {
    "linear": activations.Linear(),
    "tanh": activations.Tanh(),
    "sigmoid": activations.Sigmoid(),
    "relu": activations.LeakyRelu(0.0),
    "leaky_relu": activations.LeakyRelu(0.01),
    "gelu": activations.Gelu(),
}


@dataclass(frozen=True)
class SoonNudged(EquilibriumPropagation):
    """Equilibrium propagation that comes to its second phase within the few steps of a comparison."""

    free_steps: int = 2


METHODS = {
    "state": StateOptimization,
    "increment": IncrementStateOptimization,
    "error": ErrorOptimization,
    "sequential": SequentialStateOptimization,
    "sequential-increment": IncrementSequentialStateOptimization,
    "precision-weighted": PrecisionWeighted,
    "augmented-lagrangian": AugmentedLagrangian,
    "equilibrium-propagation": SoonNudged,
    "bidirectional": Bidirectional,
    "fixed": FixedPredictions,
    "backprop": Backprop,
}
"""The methods of discrete steps in each of their forms; a class's `name` is the word that a backend claims."""
LOSSES: dict[str, losses.Loss] = {
    "squared-error": losses.SquaredError(),
    "cross-entropy": losses.CrossEntropy(),
    "binary-cross-entropy": losses.BinaryCrossEntropy(),
}


@dataclass(frozen=True)
class Case:
    """A network, its energy, what another writing of that must know of it, and random parameters, data and states."""

    network: Network
    energy: Energy
    equations: dict[str, Any] = field(repr=False)
    parameters: tuple[dict[str, NDArray[np.float64]], ...]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    states: tuple[NDArray[np.float64], ...] = field(repr=False)


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
    """Return a dense chain with random parameters, and a random batch for it."""
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
        "scales": tuple(dense.premultiplier for dense in map(read_as_dense, network.layers) if dense is not None),
        "loss": loss,
        "precisions": gammas,
        "decays": deltas,
        "clamp_precision": clamp_precision,
    }
    states = tuple(rng.standard_normal((batch, n)) for n in widths[1:-1])
    return Case(network, Energy(network, chosen, gammas, deltas), equations, parameters, x, y, states)


def mirrored(case: Case, inference: Inference) -> tuple[Inference, tuple[dict[str, NDArray[np.float64]], ...]]:
    """Return a method on a case's network, with top-down predictions where it has them, and the parameters."""
    if not inference.traits.predicts_down:
        return inference, case.parameters
    plain = inference.energy.network
    widths = (case.x.shape[1], *(units for (units,) in plain.layer_shapes))
    network = plain.with_top_down(dense_chain(widths[::-1], ACTIVATIONS["tanh"]))
    drawn = network.draw_parameters(Orthogonal(0.8), 5)
    parameters = tuple(more | own for more, own in zip(drawn, case.parameters, strict=True))
    return inference.with_energy(replace(inference.energy, network=network)), parameters


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
    """Return a task of discrete steps, or whatever the options make of it."""
    inference, parameters = mirrored(case, StateOptimization(case.energy) if inference is None else inference)
    task = Task(
        inference=inference,
        motion=Descent(
            GradientDescent(0.1) if stepper is None else stepper,
            steps,
            every_so_many(steps, 1) if recorded is None else recorded,
        ),
        stop=None,
        parameters=parameters,
        x=case.x,
        y=case.y,
        initial=None,
        record=frozenset(record),
        precision=precision,
    )
    return replace(task, **options)


def reference() -> Any:
    """Return the numpy backend, which everything is compared with."""
    return load_backend("numpy")


def settle_on(backend: Backend, task: Task) -> tuple[Settled, Block]:
    """Run a task and return what it leaves and all its rows in one block."""
    blocks: list[Block] = []
    settled = backend.settle(task, blocks.append, lambda clock: False)
    return settled, join(blocks)


def join(blocks: list[Block]) -> Block:
    """Return the rows of all blocks in one."""

    def joined(name: str) -> Any:
        parts = [getattr(block, name) for block in blocks]
        if parts[0] is None:
            return None
        if isinstance(parts[0], tuple):
            return tuple(np.concatenate(layer) for layer in zip(*parts, strict=True))
        return np.concatenate(parts)

    names = ("clock", "energy", "grad_norm", "energy_per_sample", "states", "errors", "energy_bound", "input")
    return Block(**{name: joined(name) for name in names})
