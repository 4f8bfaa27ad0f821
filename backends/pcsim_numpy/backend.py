"""The numpy backend: the plain loop on the CPU in float64, float32, float16 or bfloat16, and SciPy's ODE solvers."""

import platform
from collections.abc import Callable
from typing import Any

import numpy as np

from pcsim.engine.backend import LAYERS, Capabilities, Flow, Settled, Task
from pcsim.engine.loop import (
    check_draws,
    check_equilibrium,
    expected_evaluations,
    settle,
    settle_equilibrium,
    wide_noise,
)
from pcsim.engine.loop.flow import settle_flow
from pcsim.extensions import KINDS
from pcsim.learning.trainer import Trainer, TrainingTask
from pcsim.model.arithmetic import check_arithmetic
from pcsim.model.arrays import Array
from pcsim.trace.layout import Block
from pcsim.typing import NDArray
from pcsim_numpy.equilibrium import NumpySearcher
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.number.rounded import unit_of
from pcsim_numpy.number.rounding import FORMATS
from pcsim_numpy.ode.solvers import ADAPTIVE, SOLVERS, check, constant_steps, flow_seconds, wide_alone
from pcsim_numpy.support import DTYPES, TRAINING, check_eps, check_training
from pcsim_numpy.threads import blas_threads

CALLS = 3e-5
"""Seconds that numpy's calls take in a layer and evaluation: 20 to 45 µs measured."""


class NumpyBackend:
    """Runs the core on numpy arrays; the reference for every other backend."""

    namespace = NumpyNamespace()

    def capabilities(self) -> Capabilities:
        """Return what numpy can do anywhere."""
        return Capabilities(
            device=f"cpu ({platform.machine()})",
            precisions=(*FORMATS, *DTYPES),
            methods=KINDS["inference"].shipped,
            layers=LAYERS,
            own=("activation", "part", "inference", "stepper", "loss", "optimizer"),
            rules=("pc", "forward", "incremental", "backprop"),
            learns_precisions=True,
            precision_matrices=True,
            amortises=True,
            interprets=True,
            solvers=SOLVERS,
            limits=(TRAINING.format("numpy"), wide_alone("numpy"), constant_steps("numpy"), wide_noise("numpy")),
        )

    def estimate(self, task: Task) -> float:
        """Return about how many seconds the task takes: two products a layer and step at 10 GFLOP/s, and calls.

        Raises `UsageError` for a rounding or an accumulator that the precision has no use for, where Adam's ε is 0 in
        it, for a flow that none of the solvers can run, and for an equilibrium or noise in a narrow format.
        """
        check_arithmetic(task.precision, task.arithmetic)
        if isinstance(task.motion, Flow):
            check(task, task.motion, "numpy")
            return flow_seconds(task, task.motion)
        check_eps(task.precision, task.descent.stepper)
        check_equilibrium(task, "numpy", tuple(DTYPES))
        check_draws(task, "numpy")
        network, evaluations = task.inference.energy.network, expected_evaluations(task)
        narrow = 1.0
        if task.precision in FORMATS:
            narrow = 20.0 if task.arithmetic.accumulate == "float32" else 200.0
        products = narrow * 4e-10 * network.multiplications * len(task.x)
        return (products + CALLS * len(network.layers)) * evaluations

    def trainer(self, task: TrainingTask) -> Trainer:
        """Return a trainer; raises `UsageError` for a precision that numpy does not train in."""
        check_training("numpy", task.precision)
        from pcsim_numpy.trainer import NumpyTrainer

        return NumpyTrainer(task)

    def settle(self, task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
        """Run inference; overflow shows as a non-finite energy, which the loop reports.

        Results of float16 and bfloat16 runs come back in float32.
        """
        to_run = _converter(task)
        xp = NumpyNamespace()
        with np.errstate(all="ignore"), blas_threads(task.inference.energy.network, _rows_at_once(task)):
            if isinstance(task.motion, Flow):
                # SciPy's solvers take long to import, and discrete runs do without.
                from pcsim_numpy.flow import integrator

                samples = integrator(xp, task, task.motion, to_run)
                wider = task.precision != "float64" and task.motion.solver in ADAPTIVE
                return settle_flow(task, task.motion, samples, sink, poll, precision="float64" if wider else None)
            if task.inference.traits.searches:
                searcher = NumpySearcher(xp, task, DTYPES[task.precision])
                return settle_equilibrium(task, searcher, np.asarray, sink, poll)
            return settle(xp, task, to_run, np.asarray, sink, poll)


def _rows_at_once(task: Task) -> int:
    adaptive = isinstance(task.motion, Flow) and task.motion.solver in ADAPTIVE
    return 1 if adaptive else len(task.x)


def _converter(task: Task) -> Callable[[NDArray[np.float64]], Array]:
    if task.precision in FORMATS:
        return unit_of(task.precision, task.arithmetic).array
    dtype = DTYPES[task.precision]

    def to_run(array: NDArray[np.float64]) -> NDArray[Any]:
        return np.ascontiguousarray(array, dtype=dtype)

    return to_run
