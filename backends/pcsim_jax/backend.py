"""The JAX backend: compiled runs on the CPU, or on a GPU where JAX sees one."""

import platform
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from importlib.util import find_spec
from typing import Any

from pcsim.engine.backend import LAYERS, Capabilities, Flow, Settled, Task
from pcsim.engine.loop import check_draws, check_equilibrium, expected_evaluations, wide_noise
from pcsim.engine.processes import Group
from pcsim.extensions import KINDS
from pcsim.learning import Optimizer
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.arithmetic import check_hardware_rounding
from pcsim.model.arrays import Array, Parameters
from pcsim.model.layers import Convolution, Part, Shape
from pcsim.trace.layout import Block
from pcsim_jax.support import ARITHMETIC, FLOWS, PRECISIONS, SOLVERS

NEEDED = ("jax", "diffrax", "equinox", "lineax", "optimistix")
INSTALL = "install it with: pip install 'pcsim[jax]'"


class JaxBackend:
    """Runs the core under `jit`; packages are imported only when asked to run, so that it can say what is missing."""

    def capabilities(self) -> Capabilities:
        """Return what JAX can do here, or how to get it."""
        device, devices, problem, fix = _devices()
        return Capabilities(
            device=device,
            precisions=PRECISIONS,
            methods=KINDS["inference"].shipped,
            layers=LAYERS,
            own=("activation", "part", "function", "inference", "stepper", "loss", "optimizer"),
            solvers=SOLVERS,
            lenders=("optax",),
            learns_precisions=True,
            precision_matrices=True,
            amortises=True,
            limits=(ARITHMETIC, FLOWS, wide_noise("jax")),
            rules=("pc", "forward", "incremental", "backprop"),
            problem=problem,
            fix=fix,
            packages=("jax", "jaxlib", "diffrax"),
            devices=devices,
        )

    def estimate(self, task: Task) -> float:
        """Return about how many seconds the task takes, compilation included: at some 50 GFLOP/s, convolutions at 12.

        Raises `UsageError` for stochastic rounding, or a motion that the precision does not go with.
        """
        check_hardware_rounding("jax", task.precision, task.arithmetic)
        network = task.inference.energy.network
        convolves = any(isinstance(part, Convolution) for layer in network.layers for part in layer.parts)
        rate = 3.3e-10 if convolves else 8e-11
        evaluations = 1000 if isinstance(task.motion, Flow) else expected_evaluations(task)
        check_equilibrium(task, "jax", ("float32", "float64"))
        check_draws(task, "jax")
        if isinstance(task.motion, Flow):
            from pcsim_jax import flow

            flow.check(task)
        return 1.0 + 0.02 * len(task.parameters) + rate * network.multiplications * len(task.x) * evaluations

    def function_part(
        self, function: Callable[[Parameters, Array], Array], shape: Shape, arrays: Mapping[str, Shape]
    ) -> Part:
        """Return a function of parameters and one sample as a layer part."""
        from pcsim_jax.function import Function

        return Function(shape, function, tuple(arrays.items()))

    def optimizer(self, word: str, options: Mapping[str, Any]) -> Optimizer:
        """Return an optimiser of Optax, by the word `optax.lion`."""
        from pcsim_jax.optax_optimizer import optax_optimizer

        return optax_optimizer(word, options)

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer with everything on the device; raises `MemoryError` where that has too little."""
        from pcsim_jax.trainer import JaxTrainer

        return JaxTrainer(task)

    def joined(self, group: Group) -> AbstractContextManager[None]:
        """Have JAX see the devices of all processes of a group, once in the life of this one."""
        from pcsim_jax.processes import joined

        return joined(group)

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        """Run inference; raises `MemoryError` where the device has too little."""
        from pcsim_jax import descent, flow
        from pcsim_jax import equilibrium as search
        from pcsim_jax.memory import memory_errors

        run = flow.settle if isinstance(task.motion, Flow) else descent.settle
        if task.inference.traits.searches:
            run = search.settle
        with memory_errors():
            return run(task, sink, poll)


def _devices() -> tuple[str, int, str | None, str | None]:
    """Return the device that JAX runs on and how many there are, or a problem and its fix."""
    missing = ", ".join(name for name in NEEDED if find_spec(name) is None)
    if missing:
        return "none", 0, f"not installed: {missing}", INSTALL
    try:
        import jax

        devices = jax.devices()
    except ImportError as error:
        return "none", 0, f"JAX cannot be imported: {error}", INSTALL
    except (RuntimeError, AssertionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return "none", 0, f"JAX finds no device: {reason}", "set JAX_PLATFORMS=cpu, or install the jaxlib of your GPU"
    first = devices[0]
    name = platform.machine() if first.platform == "cpu" else first.device_kind
    each = Counter(device.process_index for device in devices)
    return f"{first.platform} ({name})", len(each) * min(each.values()), None, None
