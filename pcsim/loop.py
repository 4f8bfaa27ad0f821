"""The plain loop: inference step by step in Python, for every backend whose arrays compute eagerly."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pcsim.arithmetic import NARROW
from pcsim.arrays import Array, Namespace
from pcsim.backend import GradientNorm, Settled, Task
from pcsim.energy import Clamped, Evaluation
from pcsim.recording import Recorder
from pcsim.trace.layout import Block


def settle(
    xp: Namespace,
    task: Task,
    to_run: Callable[[NDArray[np.float64]], Array],
    to_host: Callable[[Array], NDArray[Any]],
    sink: Callable[[Block], None],
    poll: Callable[[int], bool],
) -> Settled:
    """Run a task with the arrays of `xp`; `to_run` rounds and moves a host array there, `to_host` brings one back."""
    inference, energy = task.inference, task.inference.energy
    parameters = tuple({name: to_run(v) for name, v in layer.items()} for layer in task.parameters)
    clamped = inference.clamp(xp, parameters, to_run(task.x), to_run(task.y))
    initial = None if task.initial is None else tuple(to_run(v) for v in task.initial)
    recorder = Recorder(task.recorded, task.record, sink)
    arrivals = Arrivals(len(energy.network.layers))

    start = time.perf_counter()
    carry = inference.begin(xp, clamped, initial, task.stepper)
    step, failure, converged, stopped = 0, None, False, False
    while True:
        point = inference.evaluate(xp, clamped, carry)
        layerwise = to_host(energy.layerwise(xp, clamped, point))
        arrivals.note(step, layerwise, point, to_host)
        failure = divergence(task, step, layerwise)
        converged = task.stop is not None and has_converged(xp, task.stop, point, to_host)
        stopped = poll(step)
        last = step == task.steps or converged or stopped or failure is not None
        if last or recorder.due(step):
            _record(xp, recorder, step, layerwise, point, to_host)
        if last:
            break
        step += 1
        carry = inference.advance(xp, clamped, point, carry, task.stepper, step)
    recorder.flush()
    seconds = time.perf_counter() - start

    return Settled(
        states=(*map(to_host, point.states), to_host(energy.loss.output_state(xp, point.output, clamped.y))),
        errors=tuple(map(to_host, point.errors)),
        output=to_host(point.output),
        gradient=_parameter_gradient(xp, task, clamped, point, to_host),
        arrival_steps=arrivals.steps,
        steps_taken=step,
        inference_seconds=seconds,
        converged=converged,
        interrupted=stopped and step < task.steps and not converged,
        failure=failure,
    )


class Arrivals:
    """Arrival steps: the first step at which any unit of a layer has a non-zero error, −1 before."""

    def __init__(self, layers: int) -> None:
        self.steps = np.full(layers, -1, dtype=np.int64)

    def note(
        self,
        step: int,
        layerwise: NDArray[np.float64],
        point: Evaluation,
        to_host: Callable[[Array], NDArray[Any]],
    ) -> None:
        """Note the layers that a signal has reached by this step."""
        missing = np.flatnonzero(self.steps < 0)
        if missing.size == 0:
            return
        positive: NDArray[np.bool_] = np.any(layerwise, axis=1)
        for i in missing:
            if positive[i] and i < len(positive) - 1:
                self.steps[i] = step
                continue
            error = to_host(point.errors[i])
            # Energies do not tell where the loss is positive without an error, and where the square of a tiny error
            # underflows to zero, as it cannot in a type of twice the range.
            hidden = error.dtype.itemsize == layerwise.dtype.itemsize or i == len(positive) - 1
            if hidden and error.any():
                self.steps[i] = step


def divergence(task: Task, step: int, layerwise: NDArray[np.float64]) -> str | None:
    """Return a line that names layer, step and remedy if any energy is not finite."""
    finite = np.isfinite(layerwise)
    if finite.all():
        return None
    layer = int(np.flatnonzero(~finite.all(axis=1))[-1])
    name = "the output" if layer == len(finite) - 1 else f"layer {layer}"
    moved = step > 0 and task.inference.name != "backprop"
    wider = " or a wider precision" if task.precision in ("float32", *NARROW) else ""
    return (
        f"the run diverged: the energy of {name} is not finite at step {step}; "
        f"use {'a smaller inference.step_size' if moved else 'smaller weights'}{wider}"
    )


def has_converged(
    xp: Namespace, rule: GradientNorm, point: Evaluation, to_host: Callable[[Array], NDArray[Any]]
) -> bool:
    """Return whether the gradient over all moving variables is below the threshold in every sample."""
    if not point.gradient:
        return True
    squares = to_host(xp.stack([xp.sum_of_squares(g) for g in point.gradient]))
    return bool(np.sqrt(squares.sum(axis=0)).max() <= rule.threshold)


def _record(
    xp: Namespace,
    recorder: Recorder,
    step: int,
    layerwise: NDArray[np.float64],
    point: Evaluation,
    to_host: Callable[[Array], NDArray[Any]],
) -> None:
    norms = None
    if recorder.wants_gradient:
        squares = [xp.sum_of_squares(g) for g in (*point.gradient, point.errors[-1])]
        norms = np.sqrt(to_host(xp.stack(squares))).mean(axis=1)
    states = [to_host(s) for s in point.states] if recorder.wants_states else None
    errors = [to_host(e) for e in point.errors] if recorder.wants_errors else None
    recorder.add(step, layerwise, norms, states, errors)


def _parameter_gradient(
    xp: Namespace,
    task: Task,
    clamped: Clamped,
    point: Evaluation,
    to_host: Callable[[Array], NDArray[Any]],
) -> tuple[dict[str, NDArray[Any]], ...] | None:
    if "weight_gradient" not in task.record:
        return None
    gradient = task.inference.energy.parameter_gradient(xp, clamped, point)
    return tuple({name: to_host(v) for name, v in layer.items()} for layer in gradient)
