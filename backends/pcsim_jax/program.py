"""What is compiled of a discrete run: its start, many steps at once with the rows they leave, and its end."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pcsim.engine.backend import Descent
from pcsim.engine.loop.stretches import next_due
from pcsim.inference import Inference
from pcsim.inference.observables import Final, Observation, finish, gradient_norms, observe
from pcsim.inference.steppers import Stepper
from pcsim.inference.stopping import StopRule, gradient_norm
from pcsim.model.arrays import Array, Namespace, Parameters
from pcsim.model.energy import Clamped, Evaluation, States
from pcsim.typing import NDArray


@dataclass(frozen=True)
class Program:
    """Everything of a discrete run but its arrays and its number of steps; `rows` are recorded at once at most."""

    xp: Namespace
    inference: Inference
    stepper: Stepper
    stop: StopRule | None
    record: frozenset[str]
    rows: int


class Rows(NamedTuple):
    """Recorded rows, (rows, …) each, None where not recorded; only the first ones are valid."""

    layerwise: Array
    norms: Array | None
    states: States | None
    errors: States | None


class Progress(NamedTuple):
    """Where a run stands: `carry` belongs to `step`, `count` rows are valid, `before` are the energies before `step`.

    `ended` says that this is the last step, at the latest the first one at which the stop rule is met or energies are
    not finite.
    """

    carry: Any
    step: Array
    before: Array
    arrivals: Array
    count: Array
    rows: Rows
    ended: Array


class End(NamedTuple):
    """What there is to see at the last step: its row, arrival steps, whether the stop rule is met, what is kept."""

    row: Rows
    arrivals: Array
    met: Array
    final: Final


def padded_due(motion: Descent, step: int, rows: int) -> NDArray[np.int64]:
    """Return the next steps (rows,) to record from `step` on, filled up with −1, which never comes."""
    due = next_due(motion, step, rows)
    return np.concatenate([due, np.full(rows - len(due), -1)])


def start(program: Program, parameters: tuple[Parameters, ...], x: Array, y: Array, initial: States | None) -> Any:
    """Return what is known from the start, and the carry before the first step."""
    clamped = program.inference.clamp(program.xp, parameters, x, y)
    return clamped.known, program.inference.begin(program.xp, clamped, initial, program.stepper)


def proceed(
    program: Program,
    clamped: Clamped,
    carry: Any,
    step: Array,
    before: Array,
    arrivals: Array,
    end: Array,
    last: Array,
    due: Array,
) -> tuple[Progress, End]:
    """Go from `step` towards `end`, recording the ascending steps in `due` (rows,), until that is full or the run ends.

    It ends at the step `last` at the latest. There is nothing but zeros to see where it has not.
    """

    def goes_on(now: Progress) -> Array:
        return (now.step < end) & (now.count < program.rows) & ~now.ended

    def one_step(now: Progress) -> Progress:
        point = program.inference.evaluate(program.xp, clamped, now.carry)
        recorded = due[now.count] == now.step
        seen = row(program, clamped, point, recorded)
        arrivals = arrived(now.arrivals, seen, now.step)
        ended = ~jnp.isfinite(seen.layerwise).all() | is_met(program, point, seen, now.before, arrivals)
        moved = program.inference.advance(program.xp, clamped, point, now.carry, program.stepper, number(now.step + 1))
        here = now.carry, now.step, now.before, now.arrivals, now.count
        ahead = moved, now.step + 1, seen.layerwise, arrivals, now.count + recorded
        # What moves then waits for the energies, which are sums of it: XLA moves it where it is, without a copy.
        carry, step, before, arrivals, count = jax.tree.map(partial(jnp.where, ended), here, ahead)
        return Progress(carry, step, before, arrivals, count, written(now.rows, seen, now.count), ended)

    empty = empty_rows(program, clamped, carry)
    start = Progress(carry, step, before, arrivals, jnp.int32(0), empty, jnp.bool_(False))
    now = jax.lax.while_loop(goes_on, one_step, start)
    now = now._replace(ended=now.ended | (now.step == last))
    look = partial(looked_at, program, clamped, now)
    return now, jax.lax.cond(now.ended, look, partial(zeros, look))


def looked_at(program: Program, clamped: Clamped, now: Progress) -> End:
    """Return what there is to see where a run stands."""
    point = program.inference.evaluate(program.xp, clamped, now.carry)
    seen = observe(program.xp, program, clamped, point)
    arrivals = arrived(now.arrivals, seen, now.step)
    met = is_met(program, point, seen, now.before, arrivals)
    return End(rows_of(seen), arrivals, met, finish(program.xp, program, clamped, point))


def is_met(program: Program, point: Evaluation, seen: Observation, before: Array, arrivals: Array) -> Array:
    """Return whether there is a stop rule and it is met here, `before` being the energies of the step before."""
    if program.stop is None:
        return jnp.bool_(False)
    norm = partial(gradient_norm, program.xp, point)
    return program.stop.is_met(norm, seen.layerwise, before, (arrivals >= 0).all())


def number(step: Array) -> Array:
    """Return the number of a step to compute with like a Python one: results keep the type of the run."""
    return step * 1.0


def arrived(arrivals: Array, seen: Observation, step: Array) -> Array:
    """Return arrival steps with those of layers that have a signal for the first time."""
    return jnp.where((arrivals < 0) & jnp.stack(seen.present), step, arrivals)


def row(program: Program, clamped: Clamped, point: Evaluation, recorded: Array) -> Observation:
    """Return what is to be seen at a step; the gradient's norms, which cost as much as energies, only if recorded."""
    bare = replace(program, record=program.record - {"grad_norm"})
    seen = observe(program.xp, bare, clamped, point)
    if "grad_norm" not in program.record:
        return seen
    # Evaluated out here, for the step needs it too: a branch would keep it to itself.
    _ = point.gradient
    norms = jax.lax.cond(recorded, lambda: gradient_norms(program.xp, point), lambda: jnp.zeros_like(seen.layerwise))
    return seen._replace(norms=norms)


def empty_rows(program: Program, clamped: Clamped, carry: Any) -> Rows:
    """Return room for as many rows as are recorded at once."""

    def look() -> Rows:
        point = program.inference.evaluate(program.xp, clamped, carry)
        return rows_of(row(program, clamped, point, jnp.bool_(True)))

    return zeros(look, program.rows)


def zeros(look: Callable[[], Any], *count: int) -> Any:
    """Return zeros, so many rows of them, in the place of all arrays that a function would return."""

    def empty(array: Array) -> Array:
        return jnp.zeros((*count, *array.shape), array.dtype)

    return jax.tree.map(empty, jax.eval_shape(look))


def rows_of(seen: Observation) -> Rows:
    """Return what is recorded of an observation."""
    return Rows(seen.layerwise, seen.norms, seen.states, seen.errors)


def written(rows: Rows, seen: Observation, row: Array) -> Rows:
    """Return the rows with one more; a step that is not recorded writes where the next recorded one will."""

    def with_row(array: Array, one: Array) -> Array:
        return jax.lax.dynamic_update_index_in_dim(array, one, row, 0)

    return jax.tree.map(with_row, rows, rows_of(seen))
