"""The loop of the search for equilibria: samples that have found theirs leave the batch, and cost no more time."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, Shaped

from pcsim.engine.backend import Ending, Equilibria, Settled, Task
from pcsim.engine.loop.failure import divergence
from pcsim.errors import UsageError
from pcsim.inference.equilibrium import CONVERGED, SEARCHING, STALLED
from pcsim.inference.observables import Final, Observation, on_host
from pcsim.model.arrays import Array
from pcsim.trace.layout import Block
from pcsim.trace.recording import Recorder
from pcsim.typing import NDArray


class Stretch(NamedTuple):
    """What some evaluations left behind: how many there were in all by then, and what was to be recorded, by step."""

    evaluations: int
    rows: list[tuple[int, Observation]]


class SearchState(NamedTuple):
    """Where the samples of a batch stand, in the words of `pcsim.inference.equilibrium.Search`."""

    best: Shaped[NDArray[Any], "batch n"]
    energy: Float64[NDArray[np.float64], " batch"]
    residual: Float64[NDArray[np.float64], " batch"]
    evaluations: Float64[NDArray[np.float64], " batch"]
    status: Float64[NDArray[np.float64], " batch"]


@runtime_checkable
class Searcher(Protocol):
    """The samples of a task on some backend, all before their first evaluation."""

    @property
    def compile_seconds(self) -> float: ...
    @property
    def arrivals(self) -> NDArray[np.int64]:
        """The step at which a signal was first seen in every layer, −1 before."""
        ...

    def proceed(self) -> Stretch:
        """Evaluate and advance at least once."""
        ...

    def state(self) -> SearchState:
        """Return where the samples stand that are in the batch."""
        ...

    def shed(self, resting: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Observation] | None:
        """Go on without some of the resting samples if that saves time.

        Returns which of the batch stayed, and what is to be seen of all that were in it; None if all stay.
        """
        ...

    def finish(self, best: Shaped[NDArray[Any], "batch n"]) -> tuple[Observation, Final]:
        """Return what is to be seen and kept of all samples of the task at their best points, host arrays."""
        ...


USUAL = 100
"""Evaluations after which most searches have ended."""


def check_equilibrium(task: Task, backend: str, precisions: Sequence[str]) -> None:
    """Raise `UsageError` for the search for equilibria in a precision that is too narrow for it."""
    if task.inference.traits.searches and task.precision not in precisions:
        raise UsageError(
            f"backend '{backend}' looks for equilibria in {' and '.join(precisions)}, not in {task.precision}: "
            f"rounding would end the search early; give one of them as precision"
        )


def expected_evaluations(task: Task) -> int:
    """Return about how many times a discrete task evaluates the energy."""
    steps = task.descent.steps + 1
    return min(steps, USUAL) if task.inference.traits.searches else steps


def settle_equilibrium(
    task: Task,
    searcher: Searcher,
    to_host: Callable[[Array], NDArray[Any]],
    sink: Callable[[Block], None],
    poll: Callable[[float], bool],
) -> Settled:
    """Run a task until every sample rests at its equilibrium, or all steps are taken."""
    steps = task.descent.steps
    recorder, batch = Recorder(task.descent.recorded, task.record, sink), _Batch(len(task.x))
    start = time.perf_counter()
    done, failure, stopped = 0, None, poll(0)
    while done < steps and not stopped and failure is None and batch.searches:
        stretch = searcher.proceed()
        if done == 0 and stretch.rows:
            failure = divergence(task, 0, stretch.rows[0][1].layerwise)
        done = stretch.evaluations
        batch.note(searcher.state())
        # The last row is that of the points that are kept, and comes at the end.
        batch.record(recorder, [row for row in stretch.rows if row[0] < done - 1 or batch.searches])
        resting = batch.resting
        shed = searcher.shed(resting) if resting.any() and batch.searches else None
        if shed is not None:
            batch.leave(*shed)
        stopped = poll(done)
        recorder.flush_if_due()
    batch.note(searcher.state())
    seen, final = searcher.finish(batch.best)
    taken = done - 1 if done > 0 and not batch.searches else done
    batch.record_last(recorder, taken, seen)
    recorder.flush()
    equilibria = batch.equilibria()
    stopped = stopped and batch.searches and done < steps
    return Settled(
        **on_host(final, to_host),
        arrival_steps=_arrived(searcher.arrivals, seen, taken),
        steps_taken=taken,
        ending=Ending.of(failure, bool(equilibria.converged.all()), stopped),
        inference_seconds=time.perf_counter() - start,
        compile_seconds=searcher.compile_seconds,
        failure=failure,
        equilibria=equilibria,
    )


def _arrived(arrivals: NDArray[np.int64], seen: Observation, step: int) -> NDArray[np.int64]:
    return np.where((arrivals < 0) & np.array([bool(p) for p in seen.present]), step, arrivals)


class _Batch:
    """All samples of a task; `present` are the numbers of those that are still in the searcher's batch."""

    def __init__(self, samples: int) -> None:
        self._present = np.arange(samples)
        self._best: NDArray[Any] | None = None
        self._numbers = np.zeros((4, samples))
        self._latest: Observation | None = None

    @property
    def searches(self) -> bool:
        """Whether any sample is on its way."""
        return bool((self._numbers[3] == SEARCHING).any())

    @property
    def resting(self) -> NDArray[np.bool_]:
        """Which samples of the present batch are not."""
        return self._numbers[3][self._present] != SEARCHING

    @property
    def best(self) -> NDArray[Any]:
        """The best point of every sample."""
        if self._best is None:
            raise TypeError("nothing has been noted yet")
        return self._best

    def note(self, state: SearchState) -> None:
        if self._best is None:
            self._best = np.array(state.best)
        self._best[self._present] = state.best
        self._numbers[:, self._present] = np.stack(state[1:])

    def record(self, recorder: Recorder, rows: list[tuple[int, Observation]]) -> None:
        for step, seen in rows:
            self._update(seen)
            if recorder.due(step):
                self._add(recorder, step)

    def record_last(self, recorder: Recorder, step: int, seen: Observation) -> None:
        self._latest = seen
        self._add(recorder, step)

    def leave(self, stayed: NDArray[np.bool_], seen: Observation) -> None:
        """Go on with those that stayed; the others are from now on as they were seen last."""
        self._update(seen)
        self._present = self._present[stayed]

    def equilibria(self) -> Equilibria:
        energy, residual, evaluations, status = self._numbers
        return Equilibria(residual, energy, evaluations.astype(np.int64), status == CONVERGED, status == STALLED)

    def _update(self, seen: Observation) -> None:
        """Lay what was seen of the present batch over what was seen of all."""
        if self._latest is None or len(self._present) == len(self._numbers[0]):
            self._latest = seen
            return
        here = self._present
        self._latest = _laid_over(self._latest, seen, here)

    def _add(self, recorder: Recorder, step: int) -> None:
        seen = self._latest
        if seen is None:
            raise TypeError("nothing has been seen yet")
        norms = None if seen.norms is None else seen.norms.mean(axis=1)
        recorder.add(step, seen.layerwise, norms, seen.states, seen.errors)


def _laid_over(of_all: Observation, seen: Observation, here: NDArray[np.intp]) -> Observation:
    """Return an observation of all samples with that of some of them, whose numbers are `here`, laid over it."""

    def last(whole: Any, part: Any) -> Any:
        result = whole.copy()
        result[:, here] = part
        return result

    def first(whole: tuple[Any, ...] | None, parts: tuple[Any, ...] | None) -> tuple[Any, ...] | None:
        if whole is None or parts is None:
            return None
        result = tuple(w.copy() for w in whole)
        for w, p in zip(result, parts, strict=True):
            w[here] = p
        return result

    return seen._replace(
        layerwise=last(of_all.layerwise, seen.layerwise),
        norms=None if of_all.norms is None else last(of_all.norms, seen.norms),
        states=first(of_all.states, seen.states),
        errors=first(of_all.errors, seen.errors),
    )
