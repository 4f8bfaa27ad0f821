"""The Numba backend: compiled runs on the CPU in float32 and float64."""

import platform
from collections.abc import Callable
from importlib.util import find_spec

import numpy as np
from pcsim_numpy import NumpyBackend
from pcsim_numpy.ode.solvers import SOLVERS, constant_steps, flow_seconds
from pcsim_numpy.ode.solvers import check as check_flow
from pcsim_numpy.support import DTYPES

from pcsim.engine.backend import LAYERS, Capabilities, Flow, Settled, Task
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.arithmetic import check_arithmetic
from pcsim.trace.layout import Block
from pcsim_numba.support import KERNELS, check, is_dense


class NumbaBackend:
    """Runs kernels compiled by Numba; it is imported only when asked to run, so that it can be said to be missing."""

    def capabilities(self) -> Capabilities:
        """Return what Numba can do here, or how to get it."""
        missing = find_spec("numba") is None
        return Capabilities(
            device=f"cpu ({platform.machine()})",
            precisions=tuple(DTYPES),
            methods=("state", "error", "sequential", "backprop"),
            layers=LAYERS,
            solvers=SOLVERS,
            limits=(
                constant_steps("numba"),
                KERNELS.masks,
                KERNELS.errors_first,
                KERNELS.noise,
                KERNELS.starts,
                KERNELS.weighting,
            ),
            problem="not installed: numba" if missing else None,
            fix="install it with: pip install 'pcsim[numba]'" if missing else None,
            rules=("pc", "forward", "incremental", "backprop"),
            packages=("numba", "llvmlite"),
        )

    def estimate(self, task: Task) -> float:
        """Return about how many seconds the task takes at some 100 GFLOP/s, loading of kernels included.

        Raises `UsageError` for inference that there are no kernels for, and for a flow that the solvers cannot run.
        """
        check_arithmetic(task.precision, task.arithmetic)
        if isinstance(task.motion, Flow):
            check_flow(task, task.motion, "numba")
            return flow_seconds(task, task.motion)
        check(task.inference, task.descent.stepper)
        products = task.inference.energy.network.multiplications
        return 1.0 + 4e-11 * products * len(task.x) * (task.descent.steps + 1)

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer; raises `UsageError` for inference that there are no kernels for."""
        check(task.learner.inference, task.learner.stepper)
        if not is_dense(task.learner.inference.energy.network):
            from pcsim_numba.listed import ListedTrainer

            return ListedTrainer(task)
        from pcsim_numba.trainer import NumbaTrainer

        return NumbaTrainer(task)

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        """Run inference, in continuous time as numpy does."""
        if isinstance(task.motion, Flow):
            # One sample's weights come from memory: a kernel for its velocity was hardly faster than numpy's products.
            return NumpyBackend().settle(task, sink, poll)
        if not is_dense(task.inference.energy.network):
            from pcsim_numba.listed import settle_listed

            return settle_listed(task, sink, poll)
        from pcsim_numpy.threads import blas_threads

        from pcsim_numba import descent

        with np.errstate(all="ignore"), blas_threads(task.inference.energy.network, len(task.x)):
            return descent.settle(task, DTYPES[task.precision], sink, poll)
