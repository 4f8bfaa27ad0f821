"""The CuPy backend: inference and training on a GPU in float16, bfloat16, float32 and float64."""

from collections.abc import Callable

from pcsim_numpy.support import TRAINING, check_eps, check_training

from pcsim.engine.backend import Capabilities, Settled, Task
from pcsim.engine.lowering import lowered_stepper, require_rule
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.arithmetic import check_hardware_rounding
from pcsim.trace.layout import Block
from pcsim_cupy.availability import find_device, free_memory
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.dynamics import form_of
from pcsim_cupy.kernels.memory import check_fits, needed, needed_to_train
from pcsim_cupy.kernels.plan import plan
from pcsim_cupy.kernels.storage import STORAGES
from pcsim_cupy.support import HALVING, KERNELS, ROUNDING, check


class CupyBackend:
    """Runs fused kernels and batched products on a GPU; CuPy is imported only when asked for a device."""

    def capabilities(self) -> Capabilities:
        """Return what can be done on the GPU that answers, or what to do where none does."""
        found = find_device()
        return Capabilities(
            device=found.device,
            precisions=tuple(STORAGES),
            methods=("state", "error", "sequential", "backprop"),
            layers=("dense",),
            limits=(
                HALVING,
                KERNELS.masks,
                KERNELS.clipping,
                KERNELS.errors_first,
                KERNELS.noise,
                KERNELS.starts,
                KERNELS.weighting,
                ROUNDING,
                TRAINING.format("cupy"),
            ),
            problem=found.problem,
            fix=found.fix,
            rules=("pc", "incremental", "backprop"),
            packages=("cupy-cuda12x", "cupy-cuda13x"),
        )

    def estimate(self, task: Task) -> float:
        """Return about how many seconds the task takes at some 10 TFLOP/s, compilation included.

        Raises `UsageError` for inference that there are no kernels for, and for more memory than is free.
        """
        motion = task.descent
        check(task.inference, motion.stepper)
        check_hardware_rounding("cupy", task.precision, task.arithmetic)
        check_eps(task.precision, motion.stepper)
        net = plan(task.inference.energy)
        form = form_of(task.inference, net)
        stepper = lowered_stepper(KERNELS, motion.stepper)
        check_fits(needed(net, len(task.x), form, stepper, STORAGES[task.precision]), self.free_memory())
        return 3.0 + 4e-13 * net.weights * len(task.x) * (motion.steps + 1)

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer; raises `UsageError` for inference that there are no kernels for."""
        require_rule(KERNELS, task.learner.rule)
        check(task.learner.inference, task.learner.stepper)
        check_training("cupy", task.precision)
        net, storage = plan(task.learner.inference.energy), STORAGES[task.precision]
        check_fits(needed_to_train(net, len(task.x), storage), self.free_memory())
        from pcsim_cupy.trainer import CupyTrainer

        return CupyTrainer(task, self.device(task.precision))

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        """Run inference."""
        from pcsim_cupy import descent

        return descent.settle(task, self.device(task.precision), sink, poll)

    def device(self, precision: str) -> Device:
        """Return the current device for runs in a precision."""
        from pcsim_cupy.kernels.cuda import CudaDevice

        return CudaDevice(STORAGES[precision])

    def free_memory(self) -> int:
        """Return how many bytes are free on the current device."""
        return free_memory()
