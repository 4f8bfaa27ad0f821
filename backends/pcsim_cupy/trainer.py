"""Training on a GPU: samples, parameters and memory stay there; inference in graphs, the core's optimisers."""

from contextlib import AbstractContextManager
from typing import Any, ClassVar

from pcsim.inference.stopping import StopRule
from pcsim.learning.host_trainer import HostTrainer, Row
from pcsim.learning.learner import Learner
from pcsim.learning.trainer import Snapshot, TrainingTask
from pcsim.model.arrays import Array, Namespace
from pcsim.model.tree import mapped
from pcsim.typing import NDArray
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.plan import plan
from pcsim_cupy.kernels.running_batch import RunningBatch, packed_parameters
from pcsim_cupy.kernels.stacks import goes_together, join, split
from pcsim_cupy.stop_monitor import Looks, StopMonitor


class CupyTrainer(HostTrainer):
    """A network in training in float32 or float64; diagnosis and evaluation run the core's lines on the device.

    Parameters and memory are stacked by groups of equal layers where the optimiser does not mind, and all are as fast.
    """

    samples_at_once: ClassVar[int] = 4096

    def __init__(self, task: TrainingTask, device: Device) -> None:
        self._device, self._plan = device, plan(task.learner.inference.energy)
        self._together = goes_together(task.learner.optimizer) and task.learner.speeds is None
        self._batches: dict[int, _Batch] = {}
        with device.active():
            parameters = self._arranged(device.namespace, packed_parameters(device, task.parameters))
            super().__init__(device.namespace, task, parameters)

    def set_step_size(self, step_size: float) -> None:
        """Infer with another step size from now on."""
        super().set_step_size(step_size)
        with self._device.active():
            for batch in self._batches.values():
                batch.samples.set_step_size(step_size)

    def snapshot(self) -> Snapshot:
        """Return where training stands."""
        with self._device.active():
            parameters, memory = self._on_host((self._parameters, self._by_layer(self._memory)))
        return Snapshot(parameters, memory, self._updates)

    def restore(self, snapshot: Snapshot) -> None:
        """Go on from a snapshot."""
        with self._device.active():
            known = mapped(self._device.put, (snapshot.parameters, snapshot.memory))
            self._learned, self._memory = (self._arranged(self._xp, tree) for tree in known)
        self._updates = snapshot.updates

    def _computing(self, samples: int) -> AbstractContextManager[None]:
        del samples
        return self._device.active()

    def _to_run(self, array: NDArray[Any]) -> Array:
        return self._device.put(self._device.storage.packed(array))

    def _put(self, array: NDArray[Any]) -> Array:
        return self._device.put(array)

    def _stacked(self, column: tuple[Array, ...]) -> NDArray[Any]:
        return self._device.get(self._xp.stack(column))

    def _on_host(self, tree: Any) -> Any:
        return mapped(self._device.get, tree)

    def _by_layer(self, tree: Any) -> Any:
        return split(self._plan, tree) if self._together else tree

    def _arranged(self, xp: Namespace, by_layer: tuple[dict[str, Any], ...]) -> Any:
        return join(xp, self._plan, by_layer) if self._together else by_layer

    def _learn(self, x: Array, y: Array, rate: float) -> Row:
        size = len(x)
        if size not in self._batches:
            self._batches[size] = _Batch(self._device, self._learner, size, together=self._together)
        batch = self._batches[size]
        batch.begin(self._learned, x, y)
        return self._learn_from(batch, y, rate)


class _Batch:
    """The samples of batches of a size, with a step of theirs as a graph, captured once."""

    def __init__(self, device: Device, learner: Learner, size: int, *, together: bool) -> None:
        self._device, self._size, self._together = device, size, together
        measured = learner.stop is not None and learner.stop.grad_norm is not None
        moves = learner.updates_every_step
        self.samples = RunningBatch(
            device, learner.inference, learner.stepper, size, measured=measured, weights_move=moves
        )
        self._go, self._at = self.samples.captured_step(), 0

    def begin(self, learned: Any, x: Array, y: Array) -> None:
        """Set all to the start of a batch."""
        self.set_parameters(learned)
        self.samples.clamp(x, y)
        self.samples.begin()

    def states(self, i: int) -> Array:
        return self.samples.states(i).copy()

    def advance(self, step: int) -> None:
        self._step(1)
        self._look(step)

    def settle(self, steps: int, rule: StopRule | None) -> int:
        samples, first = self.samples, 0 if rule else steps
        self._step(first)
        monitor = StopMonitor(samples.plan.count, self._size, rule)
        while first < steps:
            count = min(steps - first, samples.room(first))
            samples.save(0)
            self._step(count)
            looks = Looks(*map(self._device.get, samples.rows(first, count)))
            met = (k for k in range(count) if monitor.is_met(first + k, looks.at(k)))
            if (last := next(met, None)) is not None:
                samples.restore(0, first)
                self._step(last)
                return self._look(first + last)
            first += count
        return self._look(steps)

    def gradient(self) -> Any:
        """Return the batch mean of ∂E/∂θ."""
        found = self.samples.gradient()
        arranged = found if self._together else split(self.samples.plan, found)
        return tuple({name: -1.0 / self._size * value for name, value in own.items()} for own in arranged)

    def set_parameters(self, learned: Any) -> None:
        (self.samples.set_stacks if self._together else self.samples.set_parameters)(learned)

    def seen(self) -> tuple[Array, Array]:
        energies, _, presence = (array[0] for array in self.samples.rows(self._at, 1))
        return energies.mean(axis=1), (presence != 0).any(axis=1)

    def _step(self, count: int) -> None:
        for _ in range(count):
            self._go()

    def _look(self, step: int) -> int:
        """Look at where the samples stand, and return the step that was given."""
        self.samples.glance()
        self._at = step
        return step
