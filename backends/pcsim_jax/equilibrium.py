"""The search for equilibria on JAX: compiled stretches of evaluations, in batches that shrink as samples rest."""

import time
from collections.abc import Callable
from math import ceil, prod
from operator import itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pcsim.engine.backend import Settled, Task
from pcsim.engine.loop.equilibrium import SearchState, Stretch, settle_equilibrium
from pcsim.engine.loop.stretches import FIRST_STRETCH, SECONDS, rows_at_once
from pcsim.inference.equilibrium import SEARCHING, Equilibrium, Search, search_of
from pcsim.inference.observables import Final, Observation, finish, observe
from pcsim.model.arrays import Array
from pcsim.model.energy import Clamped
from pcsim.trace.layout import Block
from pcsim.typing import NDArray
from pcsim_jax.arrays import arguments, namespace, settings, to_host
from pcsim_jax.compiled import Compiler
from pcsim_jax.number.pinned import with_pinned_predictions
from pcsim_jax.program import Program, Rows, arrived, empty_rows, number, padded_due, row, start, written

COMPILING = 2.5, 0.2
"""Seconds that a batch of another size costs: a network, and every layer of it."""
EVALUATING = 1e-10, 5e-8
"""Seconds of an evaluation on a processor: a weight and a unit of every sample."""
ACCELERATED = 30.0
"""How many times faster other devices are."""


def settle(task: Task, sink: Callable[[Block], None], poll: Callable[[float], bool]) -> Settled:
    """Run a task that looks for equilibria."""
    return settle_equilibrium(task, JaxSearcher(task), to_host, sink, poll)


class Advanced(NamedTuple):
    """Where a stretch ended; `count` rows are valid."""

    carry: Search
    step: Array
    arrivals: Array
    count: Array
    rows: Rows


class JaxSearcher:
    """The samples of a task on the device, and which of them still move."""

    @settings()
    def __init__(self, task: Task) -> None:
        self._task, self._compiler = task, Compiler()
        self._program = Program(
            namespace(task.precision),
            with_pinned_predictions(task.inference),
            task.descent.stepper,
            None,
            task.record,
            rows_at_once(task),
        )
        self._parameters, self._x, self._y, initial = arguments(task)
        known, self._carry = self._call(start, self._parameters, self._x, self._y, initial)
        self._clamped = self._whole = Clamped(self._parameters, self._x, self._y, known)
        self._arrivals: Array = np.full(len(task.parameters), -1, dtype=np.int64)
        self._done, self._length = 0, FIRST_STRETCH
        self._sheds_from = patience(task, len(task.x))
        # Compiled before the clock starts.
        self._compiler.prepare(proceed, self._program, *self._stretch(0)[0])
        self._compiler.prepare(close, self._program, self._whole, self._carry.best)

    @property
    def compile_seconds(self) -> float:
        """How long compiling took."""
        return self._compiler.seconds

    @property
    @settings()
    def arrivals(self) -> NDArray[np.int64]:
        """The step at which a signal was first seen in every layer."""
        return np.asarray(self._arrivals)

    @settings()
    def proceed(self) -> Stretch:
        """Evaluate until half the samples rest, the rows are full, or about a quarter of a second has passed."""
        before = time.perf_counter()
        if self._method.renews(self._done):
            self._carry = self._call(renew, self._clamped, self._carry)
        # The first evaluation alone: it tells whether the run can start at all.
        end = 1 if self._done == 0 else min(self._task.descent.steps, self._done + self._length)
        # From there on the loop itself ends where half rest; where stretches end before depends on the clock.
        end = min(end, self._sheds_from) if self._done < self._sheds_from else end
        given, due = self._stretch(next((n for n in range(self._done + 1, end) if self._method.renews(n)), end))
        now: Advanced = self._call(proceed, *given)
        seconds = time.perf_counter() - before
        self._length = max(1, int(SECONDS * (int(now.step) - self._done) / seconds))
        self._carry, self._done, self._arrivals = now.carry, int(now.step), now.arrivals
        rows = jax.tree.map(to_host, now.rows)
        return Stretch(self._done, [(int(due[i]), _observation(rows, i)) for i in range(int(now.count))])

    @settings()
    def state(self) -> SearchState:
        """Return where the present samples stand."""
        now = self._carry
        return SearchState(*map(np.asarray, (now.best, now.energy, now.residual, now.evaluations, now.status)))

    @settings()
    def shed(self, resting: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Observation] | None:
        """Go on with half of the samples, a quarter, …, if no more still search.

        Another size is compiled anew, and so only once the search should have taken as long as that.
        """
        if self._done < self._sheds_from:
            return None
        size = len(resting)
        while size > 1 and (~resting).sum() <= size // 2:
            size //= 2
        if size == len(resting):
            return None
        seen, _ = self._call(close, self._clamped, self._carry.best)
        # Those that search come first, in their order; resting ones fill the rest.
        chosen = np.sort(np.argsort(resting, kind="stable")[:size])
        self._clamped, self._carry = _samples(self._clamped, self._carry, chosen)
        self._sheds_from = self._done + patience(self._task, size)
        stayed = np.zeros(len(resting), dtype=np.bool_)
        stayed[chosen] = True
        return stayed, jax.tree.map(to_host, seen)

    @settings()
    def finish(self, best: NDArray[Any]) -> tuple[Observation, Final]:
        """Return what is to be seen and kept of all samples."""
        seen, final = self._call(close, self._whole, best)
        return jax.tree.map(to_host, seen), final

    def _stretch(self, end: int) -> tuple[tuple[Any, ...], NDArray[np.int64]]:
        due = padded_due(self._task.descent, self._done, self._program.rows)
        few = np.int64(len(self._carry.status) // 2 if self._done >= self._sheds_from else 0)
        return (self._clamped, self._carry, np.int64(self._done), self._arrivals, np.int64(end), due, few), due

    @property
    def _method(self) -> Equilibrium:
        return search_of(self._program.inference)

    def _call(self, function: Any, *arguments: Any) -> Any:
        return jax.block_until_ready(self._compiler.call(function, self._program, *arguments))


def patience(task: Task, samples: int) -> int:
    """Return after how many evaluations of so many samples compiling for fewer can pay.

    From sizes and the device alone: results have other last digits in a batch of another size.
    """
    compiling, a_layer = COMPILING
    a_weight, a_unit = EVALUATING
    weights = sum(array.size for layer in task.parameters for array in layer.values())
    units = sum(map(prod, task.inference.energy.network.state_shapes))
    seconds = samples * (a_weight * weights + a_unit * units)
    faster = 1.0 if jax.default_backend() == "cpu" else ACCELERATED
    return max(1, ceil(faster * (compiling + a_layer * len(task.parameters)) / seconds))


def proceed(
    program: Program, clamped: Clamped, carry: Search, step: Array, arrivals: Array, end: Array, due: Array, few: Array
) -> Advanced:
    """Go from `step` towards `end`, recording the ascending steps in `due`, while more than `few` samples search."""
    method = search_of(program.inference)

    def goes_on(now: Advanced) -> Array:
        searching = jnp.sum(now.carry.status == SEARCHING)
        return (now.step < end) & (now.count < program.rows) & (searching > few)

    def one_step(now: Advanced) -> Advanced:
        point = method.evaluate(program.xp, clamped, now.carry)
        recorded = due[now.count] == now.step
        seen = row(program, clamped, point, recorded)
        return Advanced(
            method.advance(program.xp, clamped, point, now.carry, program.stepper, number(now.step + 1)),
            now.step + 1,
            arrived(now.arrivals, seen, now.step),
            now.count + recorded,
            written(now.rows, seen, now.count),
        )

    empty = empty_rows(program, clamped, carry)
    return jax.lax.while_loop(goes_on, one_step, Advanced(carry, step, arrivals, jnp.int32(0), empty))


def renew(program: Program, clamped: Clamped, carry: Search) -> Search:
    """Return the search with its first Hessian taken anew."""
    return search_of(program.inference).renewed(program.xp, clamped, carry)


def close(program: Program, clamped: Clamped, best: Array) -> tuple[Observation, Final]:
    """Return what is to be seen and kept at points in a row."""
    point = search_of(program.inference).at(program.xp, clamped, best)
    return observe(program.xp, program, clamped, point), finish(program.xp, program, clamped, point)


def _observation(rows: Rows, i: int) -> Observation:
    recorded = jax.tree.map(itemgetter(i), (rows.norms, rows.states, rows.errors))
    return Observation(rows.layerwise[i], (), *recorded)


def _samples(clamped: Clamped, carry: Search, chosen: NDArray[np.intp]) -> tuple[Clamped, Search]:
    known: Any
    x, y, known, carry = jax.tree.map(itemgetter(chosen), (clamped.x, clamped.y, clamped.known, carry))
    return Clamped(clamped.parameters, x, y, known), carry
