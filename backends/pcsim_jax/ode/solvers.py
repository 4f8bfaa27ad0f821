"""Diffrax's solvers under the scenario's words, and one step of each for one sample."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import diffrax
import jax.numpy as jnp
import lineax
from diffrax import AbstractPath, ControlTerm, MultiTerm, ODETerm

from pcsim.model.arrays import Array
from pcsim_jax.flat import Joined
from pcsim_jax.ode.krylov import NewtonKrylov

ROOT_STEPS = 10

Field = Callable[[Array], Array]
"""dz/dt of one sample, (units,)."""


@dataclass(frozen=True)
class Method:
    """A Runge-Kutta method: `first_is_last` says that its last stage is the first one of the next step.

    `share` is what a step may be off by, of what the whole trajectory may: the errors of many steps add up. Measured on
    the exact solutions of deep linear networks.
    """

    kind: Any
    order: int
    stages: int
    first_is_last: bool = False
    implicit: bool = False
    estimates_error: bool = True
    noise: bool = False
    share: float = 1.0


METHODS = {
    "euler": Method(diffrax.Euler, 1, 1, estimates_error=False, noise=True),
    "heun": Method(diffrax.Heun, 2, 2, noise=True, share=0.5),
    "midpoint": Method(diffrax.Midpoint, 2, 2, noise=True, share=0.5),
    "bosh3": Method(diffrax.Bosh3, 3, 4, first_is_last=True, share=0.1),
    "tsit5": Method(diffrax.Tsit5, 5, 7, first_is_last=True, share=0.25),
    "dopri5": Method(diffrax.Dopri5, 5, 7, first_is_last=True, share=0.25),
    "dopri8": Method(diffrax.Dopri8, 8, 14, first_is_last=True, share=0.5),
    "kvaerno3": Method(diffrax.Kvaerno3, 3, 4, first_is_last=True, implicit=True, share=0.2),
    "kvaerno5": Method(diffrax.Kvaerno5, 5, 7, first_is_last=True, implicit=True, share=0.2),
}


class Tolerances(NamedTuple):
    """What a step may be wrong by in every variable, atol + rtol ‖z‖, and a stage's error as a share of that."""

    rtol: Array
    atol: Array
    root: Array


class Trial(NamedTuple):
    """Where a step would lead: `errors` estimates its error, `velocity` is dz/dt at its end, each None if unknown.

    `solved` says that all stages of an implicit method were found; `evaluations` counts those of the field and
    products with its Jacobian.
    """

    variables: Array
    errors: Array | None
    velocity: Array | None
    evaluations: Array
    solved: Array


class Increment(AbstractPath[Any]):
    """A Brownian path that knows one of its increments.

    Steps are never rejected where there is noise, so that none needs the path in between, as a Brownian tree has it.
    """

    noise: Array
    t0: Any = 0.0
    t1: Any = 1.0

    def evaluate(self, t0: Any, t1: Any = None, left: bool = True, use_levy: bool = False) -> Array:
        """Return the increment."""
        return self.noise


def try_step(
    method: Method, layout: Joined, field: Field, z: Array, velocity: Array | None, h: Array, limits: Tolerances
) -> Trial:
    """Return where a step of size h leads from z; `velocity` is dz/dt there for methods that keep it."""
    if method.implicit:
        return _implicit_step(method, layout, field, z, velocity, h, limits)
    # The field knows no time, and from 0 a small step is exact.
    start, end = jnp.zeros((), z.dtype), h.astype(z.dtype)
    state = (jnp.bool_(False), velocity) if method.first_is_last else None
    after, errors, _, state, _ = method.kind().step(_term(field), start, end, z, None, state, False)
    count = jnp.int64(method.stages - method.first_is_last)
    return Trial(after, errors, state[1] if method.first_is_last else None, count, jnp.bool_(True))


def try_noisy_step(method: Method, field: Field, z: Array, noise: Array, h: Array) -> Trial:
    """Return where a step of size h leads with an increment of the noise."""

    # The noise does not depend on z: Ito's and Stratonovich's readings agree, and every method solves both.
    def diffusion(t: Any, z: Array, args: None) -> lineax.AbstractLinearOperator:
        return lineax.DiagonalLinearOperator(jnp.ones_like(z))

    term = MultiTerm(_term(field), ControlTerm(diffusion, Increment(noise)))
    after, *_ = method.kind().step(term, jnp.zeros((), z.dtype), h.astype(z.dtype), z, None, None, False)
    return Trial(after, None, None, jnp.int64(method.stages), jnp.bool_(True))


def _implicit_step(
    method: Method, layout: Joined, field: Field, z: Array, velocity: Array | None, h: Array, limits: Tolerances
) -> Trial:
    # A second variable that never moves: its stages carry the root finder's count.
    none, end = jnp.zeros((), z.dtype), h.astype(z.dtype)
    reach = float(method.kind.tableau.a_diagonal[-1]) * h
    lengths = layout.rms(z)
    roots = jnp.sqrt(jnp.asarray(layout.sizes, jnp.float64))

    def scale(f: Array) -> Array:
        allowed = limits.atol + limits.rtol * (lengths + reach * layout.rms(f))
        return layout.spread(limits.root * allowed * roots / reach)

    # Stages in a plain loop: measured a third faster here, and the same for explicit methods.
    solver = method.kind(root_finder=NewtonKrylov(scale=scale), root_find_max_steps=ROOT_STEPS, scan_kind="lax")

    def velocities(pair: tuple[Array, Array]) -> tuple[Array, Array]:
        return field(pair[0]), none

    state = (jnp.bool_(False), (velocity, none))
    after, errors, stages, state, result = solver.step(_term(velocities), none, end, (z, none), None, state, False)
    counts = stages["k"][1][1:] / end
    spent = jnp.where(jnp.isfinite(counts), jnp.round(counts), 0.0).sum().astype(jnp.int64)
    return Trial(after[0], errors[0], state[1][0], spent, diffrax.is_okay(result))


def _term(field: Callable[[Any], Any]) -> ODETerm[Any]:
    def vector_field(t: Any, z: Any, args: None) -> Any:
        return field(z)

    return ODETerm(vector_field)
