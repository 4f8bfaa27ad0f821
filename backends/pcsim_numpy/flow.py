"""Continuous time: SciPy's adaptive solvers, a sample at a time, each with steps of its own.

They compute in float64 whatever the precision of the run, which is that of parameters, data and all that it leaves.
"""

import heapq
from collections.abc import Callable
from typing import Any

import numpy as np

from pcsim.engine.backend import Flow, SolverWork, Task
from pcsim.engine.loop.descent import settled_arrays
from pcsim.engine.loop.failure import looser_or_implicit
from pcsim.engine.loop.flow import Integrator, Reached
from pcsim.inference import gradient_flow
from pcsim.inference.observables import Observation, observe
from pcsim.model.arrays import Array, Namespace
from pcsim.model.energy import Evaluation
from pcsim.typing import NDArray
from pcsim_numpy.namespace import NumpyNamespace
from pcsim_numpy.ode.batching import join_finals, join_observations
from pcsim_numpy.ode.euler import EulerSteps
from pcsim_numpy.ode.heun import HeunSteps
from pcsim_numpy.ode.sample import Sample, solver_for
from pcsim_numpy.ode.sample_field import Pattern, SampleField
from pcsim_numpy.ode.structure import structure_of

STEPS_PER_POLL = 50


def integrator(
    xp: NumpyNamespace, task: Task, motion: Flow, to_run: Callable[[NDArray[np.float64]], Array]
) -> Integrator:
    """Return the samples of a task at time 0, with the solver that the flow names."""
    if motion.solver == "euler":
        return EulerSteps(xp, task, motion, to_run)
    if motion.solver == "heun":
        return HeunSteps(xp, task, motion, to_run)
    return AdaptiveSamples(xp, task, motion, to_run)


class AdaptiveSamples:
    """The samples of a task, each with its own solver: a trajectory does not depend on the batch it is in."""

    def __init__(self, xp: Namespace, task: Task, motion: Flow, to_run: Callable[[NDArray[np.float64]], Array]) -> None:
        self._xp, self._task, self._motion, self._to_run = xp, task, motion, to_run
        self._field = gradient_flow(task.inference)
        structure = structure_of(task.inference)
        sparse = not structure.is_dense
        pattern = Pattern(structure) if sparse and motion.solver in ("radau", "bdf") else None
        start = solver_for(motion, pattern, structure.bandwidth if sparse else None)
        threshold = None if task.stop is None else task.stop.grad_norm

        def rounded(array: NDArray[np.float64]) -> NDArray[np.float64]:
            # Products of arrays in another order in memory differ in their last bits.
            return np.ascontiguousarray(to_run(array), dtype=np.float64)

        parameters = tuple({k: rounded(v) for k, v in layer.items()} for layer in task.parameters)
        self._samples: list[Sample] = []
        for b in range(len(task.x)):
            one = slice(b, b + 1)
            field = SampleField(xp, self._field, structure, parameters, rounded(task.x[one]), rounded(task.y[one]))
            initial = None if task.initial is None else tuple(rounded(v[one]) for v in task.initial)
            variables = self._field.begin(xp, field.clamped, initial)
            vector = structure.join(np, variables, field.clamped.y)[0]
            self._samples.append(Sample(field, vector, start, motion, threshold))

    def advance(self, time: float, poll: Callable[[float], bool]) -> Reached:
        """Step the sample that is furthest behind until all have reached the time, then stand there."""
        behind = [(s.time, b) for b, s in enumerate(self._samples) if not s.has_reached(time)]
        heapq.heapify(behind)
        count = 0
        while behind:
            clock, b = behind[0]
            count += 1
            if count % STEPS_PER_POLL == 0 and poll(clock):
                return Reached(clock, interrupted=True)
            sample = self._samples[b]
            trouble = sample.step()
            if trouble is not None:
                return Reached(sample.time, failure=self._failure(b, sample.time, trouble))
            if sample.has_reached(time):
                heapq.heappop(behind)
            else:
                heapq.heapreplace(behind, (sample.time, b))
        for sample in self._samples:
            sample.stand(time)
        rests = [s.rest for s in self._samples if s.rest is not None and s.rest <= time]
        if len(rests) == len(self._samples):
            return Reached(max(rests), at_rest=True)
        return Reached(time)

    def observe(self) -> Observation:
        """Return what the task asks to know at the last time that all samples reached."""
        seen = join_observations(
            [observe(self._xp, self._task, s.field.clamped, self._point(s)) for s in self._samples]
        )
        states, errors = (layers and tuple(map(self._to_run, layers)) for layers in (seen.states, seen.errors))
        return seen._replace(states=states, errors=errors)

    def finish(self) -> dict[str, Any]:
        """Return the arrays of `Settled` at that time."""
        return join_finals(
            [settled_arrays(self._xp, self._task, s.field.clamped, self._point(s), np.asarray) for s in self._samples],
            self._to_run,
        )

    def work(self) -> SolverWork:
        """Return what the solvers have done so far."""
        return SolverWork(
            np.array([s.steps for s in self._samples], dtype=np.int64),
            np.array([s.rejected for s in self._samples], dtype=np.int64),
            np.array([s.field.evaluations for s in self._samples], dtype=np.int64),
        )

    def _point(self, sample: Sample) -> Evaluation:
        variables = sample.field.structure.split(sample.vector[None])
        return self._field.evaluate(self._xp, sample.field.clamped, variables)

    def _failure(self, b: int, time: float, trouble: str) -> str:
        implicit = '"radau" or "bdf"' if self._motion.solver in ("dopri5", "dopri8") else None
        return (
            f"the solver '{self._motion.solver}' failed at time {time:g} in sample {b}: {trouble.strip().rstrip('.')}; "
            f"{looser_or_implicit(self._task, implicit)}"
        )
