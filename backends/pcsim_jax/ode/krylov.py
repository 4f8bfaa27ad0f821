"""A root finder for implicit solvers that never forms a Jacobian: Newton's method with generalised conjugate residuals.

A stage of an implicit solver asks for the f with f = v(z + γh f). Its matrix 1 − γh ∂v/∂z is only ever applied to
vectors. For a flow of states or errors it is 1 + γhH with H the Hessian, symmetric but indefinite where H has a
curvature below −1/(γh); the increment form's is not symmetric. Generalised conjugate residuals need neither.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox.internal as eqxi
import jax
import jax.numpy as jnp
import optimistix as optx

from pcsim.model.arrays import Array

MOST_DIRECTIONS = 12
LINEAR = 0.01
"""How much smaller than a residual that of its linear system has to become."""

STALLED = 10.0
"""Errors up to this are let pass if they get no smaller; a step may be wrong by some 30."""


class Iteration(NamedTuple):
    """Function evaluations and products with the Jacobian so far, the last error, and whether that is small enough."""

    evaluations: Array
    error: Array
    done: Array


class NewtonKrylov(optx.AbstractRootFinder[Any, Any, Any, Iteration]):
    """Finds the f of one sample's stage, a pair of its velocity (units,) and a count.

    `scale` gives for a velocity by how much every unit may be wrong, times the square root of the number of units in
    its variable: no variable is then wrong by a larger rms than the 2-norm of all. The count comes out as the
    number of evaluations and products with the Jacobian that it took: there it travels through the solver, which
    passes on nothing else of a root finder's.
    """

    scale: Callable[[Array], Array]
    rtol: float = 0.0
    atol: float = 0.0
    norm: Any = optx.max_norm

    def init(self, fn: Any, y: Any, args: Any, options: Any, f_struct: Any, aux_struct: Any, tags: Any) -> Iteration:
        """Return that nothing is known; the matrix is taken at every iterate anew, at the price of its residual."""
        return Iteration(jnp.int32(0), jnp.float64(jnp.inf), jnp.bool_(False))

    def step(self, fn: Any, y: Any, args: Any, options: Any, state: Iteration, tags: Any) -> tuple[Any, Iteration, Any]:
        """Take one Newton step."""
        velocity, count = y

        def residual(f: Array) -> Array:
            return fn((f, count), args)[0][0]

        value, product = jax.linearize(residual, velocity)
        scale = self.scale(velocity).astype(velocity.dtype)
        start = value / scale
        error = length(start)
        small = error <= 1.0
        target = jnp.where(small, jnp.inf, jnp.maximum(0.3, LINEAR * error))

        def scaled_product(v: Array) -> Array:
            return product(v * scale) / scale

        change, products = conjugate_residuals(scaled_product, start, target)
        # The residual overstates the error where γhH is large, and rounding, which grows with it, keeps it from getting
        # small: then it has to do that there is no progress.
        moved = length(change)
        stalled = (error > 0.5 * state.error) & (moved <= STALLED)
        state = Iteration(state.evaluations + 1 + products, error, small | (moved <= 1.0) | stalled)
        return (velocity - change * scale, count), state, None

    def terminate(
        self, fn: Any, y: Any, args: Any, options: Any, state: Iteration, tags: Any
    ) -> tuple[Array, optx.RESULTS]:
        """Stop once the error is small enough, or not finite."""
        broken = jnp.isnan(state.error)
        result = optx.RESULTS.where(broken, optx.RESULTS.nonlinear_divergence, optx.RESULTS.successful)
        return state.done | broken, result

    def postprocess(
        self, fn: Any, y: Any, aux: Any, args: Any, options: Any, state: Iteration, tags: Any, result: optx.RESULTS
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Put the count where it can be read."""
        velocity, count = y
        return (velocity, state.evaluations.astype(count.dtype)), aux, {}


def conjugate_residuals(matrix: Callable[[Array], Array], b: Array, target: Array) -> tuple[Array, Array]:
    """Return x with ‖A x − b‖ ≤ target, or as near as 12 directions lead, and how many products A v it took.

    Generalised conjugate residuals (Eisenstat, Elman & Schultz 1983), for any regular matrix. Under `vmap` the loop is
    one for all samples, and those that are there add directions of length 0: that is cheaper than to choose between old
    and new ones.
    """
    kept = jnp.zeros((MOST_DIRECTIONS, b.size), b.dtype)

    def goes_on(carry: Any) -> Array:
        j, _, r, *_ = carry
        return (j < MOST_DIRECTIONS) & eqxi.unvmap_any(length(r) > target)

    def turn(carry: Any) -> Any:
        j, x, r, ps, qs, count = carry
        active = length(r) > target
        q = matrix(r)
        overlap = jnp.sum(qs * q, axis=1)
        p, q = r - jnp.sum(overlap[:, None] * ps, axis=0), q - jnp.sum(overlap[:, None] * qs, axis=0)
        size = length(q)
        inverse = jnp.where(active & (size > 0.0), 1.0 / jnp.where(size > 0.0, size, 1.0), 0.0).astype(b.dtype)
        p, q = p * inverse, q * inverse
        along = jnp.sum(q * r)
        ps, qs = (jax.lax.dynamic_update_index_in_dim(all_, one, j, 0) for all_, one in ((ps, p), (qs, q)))
        return eqxi.nonbatchable(j + 1), x + along * p, r - along * q, ps, qs, count + active

    start = (jnp.int32(0), jnp.zeros_like(b), b, kept, kept, jnp.int32(0))
    _, x, _, _, _, count = jax.lax.while_loop(goes_on, turn, start)
    return x, count


def length(x: Array) -> Array:
    """Return the 2-norm, accumulated in float64."""
    return jnp.sqrt(jnp.sum(jnp.square(x.astype(jnp.float64))))
