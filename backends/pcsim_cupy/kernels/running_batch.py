"""A batch on its way through discrete inference, on the device."""

from collections.abc import Callable
from typing import Any

import numpy as np

from pcsim.engine.lowering import NOTHING, lowered_stepper
from pcsim.inference import Inference
from pcsim.inference.steppers import Stepper
from pcsim.model.arrays import Array, Parameters
from pcsim.typing import NDArray
from pcsim_cupy import kernels as k
from pcsim_cupy.kernels.buffers import FIELDS, Buffers, moving
from pcsim_cupy.kernels.device import Device
from pcsim_cupy.kernels.dynamics import dynamics_of, form_of
from pcsim_cupy.kernels.gemm import Product
from pcsim_cupy.kernels.plan import plan
from pcsim_cupy.kernels.stacks import join
from pcsim_cupy.kernels.work import Work
from pcsim_cupy.support import KERNELS


class RunningBatch:
    """The samples of a batch with all that moves; a step can be repeated as it was captured.

    `measured` says that the gradient's norms are wanted of every step, `weights_move` that parameters change between
    steps.
    """

    def __init__(
        self,
        device: Device,
        inference: Inference,
        stepper: Stepper,
        batch: int,
        *,
        measured: bool = False,
        weights_move: bool = False,
    ) -> None:
        self.device, self.plan = device, plan(inference.energy)
        self._measured, self._dynamics = measured, dynamics_of(inference)
        self._form = form_of(inference, self.plan, weights_move=weights_move)
        self.buffers = Buffers(device, self.plan, batch, self._form, lowered_stepper(KERNELS, stepper))
        self._work = Work(device, self.plan, self.buffers)
        longest = max((group.count for group in self.plan.groups), default=1)
        self._ones = device.put(device.storage.packed(np.ones(longest * batch)))
        self._saved = [{name: self._array(name).copy() for name in self._moving} for _ in range(2)]

    @property
    def _moving(self) -> tuple[str, ...]:
        return moving(self.plan, self._form)

    def _array(self, name: str) -> Array:
        return self.buffers.arrays[name]

    def set_step_size(self, step_size: float) -> None:
        """Go on with another step size; what was captured reads it from the device."""
        bits = np.array([step_size], np.float64).view(np.int64)
        self.buffers.net[FIELDS.index("step_size")] = int(bits[0])

    def set_parameters(self, parameters: tuple[Parameters, ...]) -> None:
        """Take over parameters on the device by layer, in the type of storage."""
        self.set_stacks(join(self.device.namespace, self.plan, parameters))

    def set_stacks(self, stacks: tuple[Parameters, ...]) -> None:
        """Take over parameters that are stacked by groups."""
        for weights, group, stack in zip(self.buffers.weights, self.plan.groups, stacks, strict=True):
            weights[...] = stack["W"]
            if "b" in stack:
                self.buffers.biases(group)[...] = stack["b"].reshape(-1)

    def clamp(self, x: Array, y: Array) -> None:
        """Hold input (batch, n_in) and target (batch, n_out) fixed, given on the device in the type of storage."""
        self._array("x")[...] = x.reshape(-1)
        self._array("target")[...] = y.reshape(-1)

    def begin(self, initial: tuple[Array, ...] | None = None) -> None:
        """Set all to a feedforward pass, and the variables to the initial ones (batch, units) if given."""
        for name in ("first", "second", "errors", "output_low", "clock"):
            self._array(name)[...] = 0
        self._feed()
        variables = "errors" if self._form.through else "states"
        for i, values in enumerate(initial or ()):
            self.buffers.layers(variables, i)[0] = values
        if self._form.through:
            return
        if initial is None:
            self._rest()
        elif self.plan.activation_first and self._form.known < self.plan.count:
            self._work.launch("expose", count=self.plan.count - 1)
        if self._form.increments:
            self._work.forward_all(self._form.known)
            self._work.launch("look", k.KEPT | k.QUIET)
            self._work.launch("anchor", first=1)

    def step(self) -> None:
        """Look at the step the clock shows, and take the next."""
        self._dynamics.look(self._work, self._form.known)
        if self.plan.count == 1:
            self._work.launch("tick")
        else:
            self._dynamics.advance(self._work, k.MEASURED if self._measured else 0)

    def glance(self) -> None:
        """Look at the step the clock shows, and move nothing."""
        self._dynamics.look(self._work, self._form.known)
        if self._measured:
            self._dynamics.measure(self._work)

    def captured_step(self) -> Callable[[], None]:
        """Return `step` as a graph; it has been taken once before, so that all it needs is there."""
        self.save(0)
        self.step()
        self.restore(0, 0)
        return self.device.capture(self.step)

    def save(self, place: int) -> None:
        """Remember in one of two places where all that moves stands."""
        for name in self._moving:
            self._saved[place][name][...] = self._array(name)

    def restore(self, place: int, step: int) -> None:
        """Go back to where all was saved, at a step."""
        for name in self._moving:
            self._array(name)[...] = self._saved[place][name]
        self._array("clock")[...] = step

    def rows(self, first: int, count: int) -> tuple[Array, Array, Array]:
        """Return energies, squares of the gradient's norms and presence of the steps from `first` on.

        Steps must lie in a row in the ring: as many as `room` says.
        """
        at = first % self.buffers.capacity
        energies, squares, presence = (self._array(name) for name in ("energies", "squares", "presence"))
        return energies[at : at + count], squares[at : at + count], presence[at : at + count]

    def room(self, first: int) -> int:
        """Return for how many steps from `first` on rows may be left while as many before are still being read."""
        capacity = self.buffers.capacity
        return min(capacity // 2, capacity - first % capacity)

    def states(self, i: int) -> Array:
        """Return the states (batch, units) of a layer, the output's last."""
        return self.buffers.layers("states", i)[0]

    def errors(self, i: int) -> Array:
        """Return the errors (batch, units) of a layer, the output's last."""
        return self.buffers.layers("errors", i)[0]

    def gradient(self) -> tuple[Parameters, ...]:
        """Return −Σ ∂E/∂θ over the batch on the device, stacked by groups, in the type of storage."""
        if self._form.through:
            # A pass down weighs what it pulls back, not the errors.
            self._work.launch("look", k.CARRIED | k.QUIET)
        found: list[Parameters] = []
        dtype, batch = self.device.storage.dtype, self.buffers.batch
        # A prediction that was frozen was made from the states of the feedforward pass.
        frozen = "predictions" if self._form.known == self.plan.count and not self.plan.activation_first else None
        for group in self.plan.groups:
            weighed = self.buffers.layers("weighed", group.first, group.count)
            matrices = self.device.zeros((group.count, group.n_in, group.n_out), dtype)
            product = Product(group.count, group.n_in, group.n_out, batch, a_transposed=True)
            self.device.product(product, self._work.read(group, frozen), weighed, matrices)
            found.append({"W": matrices})
            if self.buffers.biases(group).size:
                found[-1]["b"] = self.device.zeros((group.count, group.n_out), dtype)
                self.device.product(Product(group.count, 1, group.n_out, batch), self._ones, weighed, found[-1]["b"])
        return tuple(found)

    def _feed(self) -> None:
        """Pass from the input up, and keep what will not change."""
        for i in range(self.plan.count):
            if i == 0 and self.plan.starts:
                self.buffers.layers("products", 0)[...] = self._array("x").reshape(1, self.buffers.batch, -1)
            else:
                self._work.forward(i)
            self._work.launch("predict", k.REMEMBERED if i < self._form.known else 0, i, 1)

    def _rest(self) -> None:
        """Let every state be its prediction to the last bit, as products of many layers at once make it.

        They can differ from those of one layer at a time in the last bits, which would be errors that no signal made.
        After pass i the states up to i stay as they are.
        """
        if all(group.count == 1 for group in self.plan.groups) or self._form.known == self.plan.count:
            return
        for _ in range(self.plan.count):
            self._work.forward_all(self._form.known)
            self._work.launch("look")
            if not self.device.get(self._array("presence")[0])[:-1].any():
                return
            if max(self.plan.skips) == NOTHING:
                self._work.launch("predict")
                continue
            # From the top: what a layer reads by a skip must not have moved yet.
            for i in range(self.plan.count - 1, -1, -1):
                self._work.launch("predict", 0, i, 1)


def packed_parameters(device: Device, parameters: tuple[dict[str, NDArray[Any]], ...]) -> tuple[Parameters, ...]:
    """Return host parameters on the device, in the type of storage."""
    return tuple({name: device.put(device.storage.packed(v)) for name, v in own.items()} for own in parameters)
