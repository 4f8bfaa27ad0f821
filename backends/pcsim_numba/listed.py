"""Networks of any layers: the core's own loops and methods, their layers in kernels."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.support import DTYPES
from pcsim_numpy.threads import threads_for
from pcsim_numpy.trainer import NumpyTrainer

from pcsim.engine.backend import Settled, Task
from pcsim.engine.loop import settle
from pcsim.inference import ErrorOptimization, Inference
from pcsim.inference.base import Moving
from pcsim.inference.steppers import GradientDescent, Stepper
from pcsim.learning.batch import Batch
from pcsim.learning.trainer import TrainingTask
from pcsim.model.arrays import Namespace
from pcsim.model.energy import Clamped, Evaluation, States
from pcsim.model.layers import Dense
from pcsim.model.network import Network
from pcsim.trace.layout import Block
from pcsim.typing import NDArray
from pcsim_numba.batches import ListedBatch
from pcsim_numba.fused import fused
from pcsim_numba.namespace import NumbaNamespace
from pcsim_numba.passes import stepped
from pcsim_numba.pieces import in_pieces


def settle_listed(task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a discrete task."""
    dtype = DTYPES[task.precision]

    def to_run(array: NDArray[np.float64]) -> NDArray[Any]:
        return np.ascontiguousarray(array, dtype=dtype)

    compiled = replace(task, inference=with_kernels(task.inference))
    with np.errstate(all="ignore"), _dense_threads(task.inference.energy.network, len(task.x)):
        return settle(NumbaNamespace(), compiled, to_run, np.asarray, sink, poll)


def with_kernels(inference: Inference) -> Inference:
    """Return the same inference on fused layers; increments, which no fused part has, stay with the parts."""
    if inference.traits.carries_errors:
        return inference
    energy = replace(inference.energy, network=fused(inference.energy.network))
    return FromZero(energy) if type(inference) is ErrorOptimization else inference.with_energy(energy)


class FromZero(ErrorOptimization):
    """Error optimization whose errors start at zero, without a feedforward pass for shapes, and step in one pass."""

    def begin(self, xp: Namespace, clamped: Clamped, initial: States | None, stepper: Stepper) -> Moving:
        """Return the initial errors at rest."""
        if initial is None:
            x, shapes = clamped.x, self.energy.network.state_shapes
            initial = tuple(np.zeros((len(x), *shape), x.dtype) for shape in shapes)
        return super().begin(xp, clamped, initial, stepper)

    def advance(
        self, xp: Namespace, clamped: Clamped, point: Evaluation, carry: Moving, stepper: Stepper, step: Any
    ) -> Moving:
        """Move every error along the gradient; that itself, unless it is known already, is never written down."""
        if type(stepper) is not GradientDescent or "gradient" in vars(point):
            return super().advance(xp, clamped, point, carry, stepper, step)
        pulled = self.energy.backpropagated(xp, clamped, point)
        terms = zip(carry.variables, pulled, self.energy.precisions, strict=True)
        return carry._replace(variables=tuple(stepped(*term, stepper.step_size) for term in terms))


class ListedTrainer(NumpyTrainer):
    """A network of any layers in training."""

    namespace: ClassVar[type[NumpyNamespace]] = NumbaNamespace

    def __init__(self, task: TrainingTask) -> None:
        network = task.learner.inference.energy.network
        self._unfused = network
        # The statistics of a batch are looked for at norms.
        self._with_norms = fused(network, norms=False)
        inference, optimizer = with_kernels(task.learner.inference), in_pieces(task.learner.optimizer)
        super().__init__(replace(task, learner=replace(task.learner, inference=inference, optimizer=optimizer)))

    @contextmanager
    def _computing(self, samples: int) -> Generator[None]:
        with np.errstate(all="ignore"), _dense_threads(self._unfused, samples):
            yield

    def _batch(self, x: NDArray[Any], y: NDArray[Any]) -> Batch:
        return ListedBatch(self._xp, self._learner, x, y, normalised=self._with_norms)


def _dense_threads(network: Network, rows: int) -> Any:
    """Keep products of dense parts, which are BLAS's, on one thread if they are short."""
    dense = [part.multiplications for layer in network.layers for part in layer.parts if isinstance(part, Dense)]
    return threads_for(2 * rows * max(dense, default=0))
