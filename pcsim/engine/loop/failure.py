"""What a run that cannot go on says: where it failed, and what to do."""

import numpy as np

from pcsim.engine.backend import Flow, Task
from pcsim.model.activations import LeakyRelu
from pcsim.model.arithmetic import NARROW
from pcsim.model.layers import MaxPool
from pcsim.typing import NDArray


def divergence(task: Task, clock: int | float, layerwise: NDArray[np.float64]) -> str | None:
    """Return a line that names layer, step or time, and remedy if any energy (layers, batch) is not finite."""
    finite = np.isfinite(layerwise)
    if finite.all():
        return None
    layer = int(np.flatnonzero(~finite.all(axis=1))[-1])
    name = "the output" if layer == len(finite) - 1 else task.inference.energy.network.layer_names[layer]
    when = f"time {clock:g}" if isinstance(task.motion, Flow) else f"step {clock}"
    wider = " or a wider precision" if task.precision in ("float32", *NARROW) else ""
    return f"the run diverged: the energy of {name} is not finite at {when}; use {_remedy(task, clock)}{wider}"


def looser_or_implicit(task: Task, implicit: str | None) -> str:
    """Return what to do where an adaptive solver gets stuck: `implicit` names implicit solvers worth a try."""
    layers = task.inference.energy.network.layers
    kinks = [isinstance(activation, LeakyRelu) for layer in layers for activation in layer.activations]
    if any(kinks) or any(isinstance(part, MaxPool) for layer in layers for part in layer.parts):
        what, smooth = ("relu and leaky_relu", "a smooth activation") if any(kinks) else ("max pools", "average pools")
        return (
            f"the gradient jumps at the kinks of {what}, where a flow can get caught: use a larger inference.rtol and "
            f"inference.atol, as in 1e-3, or inference.step_size, or {smooth}"
        )
    other = "" if implicit is None else f", or an implicit solver: inference.solver = {implicit}"
    return f"use a larger inference.rtol or inference.atol{other}"


def _remedy(task: Task, clock: int | float) -> str:
    if clock == 0 or task.inference.traits.backpropagates:
        return "smaller weights"
    if isinstance(task.motion, Flow) and task.motion.step_size is None:
        return "a smaller inference.rtol"
    return "a smaller inference.step_size"
