"""Compiled loops over the steps of inference."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from pcsim.learning.loop import Advance
from pcsim.model.arrays import Array
from pcsim_jax.program import number


class CompiledLoop:
    """A compiled loop."""

    def __call__(self, count: int, body: Callable[[Any, Any], Any], carry: Any) -> Any:
        """Run the body for 1 … count."""

        def one(i: Array, now: Any) -> Any:
            return body(number(i + 1), now)

        return jax.lax.fori_loop(0, count, one, carry)

    def until(self, count: int, body: Callable[[Any, Any], tuple[Array, Advance]], carry: Any) -> tuple[Any, Array]:
        """Take steps until one is not to be taken."""

        def one(now: tuple[Any, Array, Array]) -> tuple[Any, Array, Array]:
            before, taken, _ = now
            met, advance = body(number(taken + 1), before)
            # At most one turn: XLA writes into what a loop carries, and copies what it chooses between.
            after, _ = jax.lax.while_loop(
                lambda now: now[1], lambda now: (advance(now[0]), jnp.bool_(False)), (before, ~met)
            )
            return after, taken + ~met, met

        def goes_on(now: tuple[Any, Array, Array]) -> Array:
            return (now[1] < count) & ~now[2]

        end, taken, _ = jax.lax.while_loop(goes_on, one, (carry, jnp.int64(0), jnp.bool_(False)))
        return end, taken


compiled_loop = CompiledLoop()
