"""The search for equilibria on numpy: one evaluation after another of the samples that still search."""

from functools import partial
from typing import Any

import numpy as np

from pcsim.engine.backend import Task
from pcsim.engine.loop.descent import Arrivals
from pcsim.engine.loop.equilibrium import SearchState, Stretch
from pcsim.inference.equilibrium import Search, search_of
from pcsim.inference.observables import Final, Observation, finish, observe
from pcsim.model.energy import Clamped
from pcsim.model.tree import mapped
from pcsim.typing import NDArray
from pcsim_numpy.namespace import NumpyNamespace

WORTHWHILE = 0.2
"""The share of a batch that has to rest before copying the others costs less than evaluating all."""


class NumpySearcher:
    """The samples of a task, and which of them still move."""

    compile_seconds = 0.0

    def __init__(self, xp: NumpyNamespace, task: Task, dtype: np.dtype[Any]) -> None:
        self._xp, self._task, self._method = xp, task, search_of(task.inference)
        self._parameters, self._x, self._y, initial = task.arrays(partial(np.ascontiguousarray, dtype=dtype))
        self._all = self._x, self._y
        self._clamped = self._clamp()
        self._carry: Search = self._method.begin(xp, self._clamped, initial, task.descent.stepper)
        self._arrivals = Arrivals(len(task.parameters))
        self._done = 0

    @property
    def arrivals(self) -> NDArray[np.int64]:
        """The step at which a signal was first seen in every layer."""
        return self._arrivals.steps

    def proceed(self) -> Stretch:
        """Evaluate once."""
        xp, method, step = self._xp, self._method, self._done
        if method.renews(step):
            self._carry = method.renewed(xp, self._clamped, self._carry)
        point = method.evaluate(xp, self._clamped, self._carry)
        self._seen = observe(xp, self._task, self._clamped, point)
        self._arrivals.note(step, self._seen.layerwise, point, np.asarray)
        self._done += 1
        self._carry = method.advance(xp, self._clamped, point, self._carry, self._task.descent.stepper, self._done)
        return Stretch(self._done, [(step, self._seen)])

    def state(self) -> SearchState:
        """Return where the present samples stand."""
        now = self._carry
        return SearchState(now.best, now.energy, now.residual, now.evaluations, now.status)

    def shed(self, resting: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Observation] | None:
        """Go on without the resting samples if they are many."""
        if resting.mean() < WORTHWHILE:
            return None
        stayed = ~resting
        self._x, self._y = self._x[stayed], self._y[stayed]
        self._clamped, self._carry = self._clamp(), mapped(lambda array: array[stayed], self._carry)
        return stayed, self._seen

    def finish(self, best: NDArray[Any]) -> tuple[Observation, Final]:
        """Return what is to be seen and kept of all samples."""
        self._x, self._y = self._all
        clamped = self._clamp()
        point = self._method.at(self._xp, clamped, best)
        return observe(self._xp, self._task, clamped, point), finish(self._xp, self._task, clamped, point)

    def _clamp(self) -> Clamped:
        return self._method.clamp(self._xp, self._parameters, self._x, self._y)
