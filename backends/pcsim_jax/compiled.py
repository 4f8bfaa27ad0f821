"""Compiled functions: traced once for every program and every shape of their arguments, and timed."""

import time
from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from typing import Any

import jax
from jax.sharding import Sharding

from pcsim_jax.arrays import settings


class Compiler:
    """Compiles functions of a program and arrays when they are first called, and remembers how long that took.

    Compiled functions outlive the compiler: the next run of the same program finds them. The program is everything
    that is no array, hashable. On several devices all arrays are placed alike.
    """

    def __init__(self, placed: Sharding | None = None) -> None:
        self.seconds = 0.0
        self._placed = placed

    def prepare(self, function: Callable[..., Any], program: Hashable, *arguments: Any) -> Callable[..., Any]:
        """Return the compiled function of arguments like these, without the program."""
        leaves, tree = jax.tree.flatten(arguments)
        shapes = tuple(jax.ShapeDtypeStruct(leaf.shape, leaf.dtype) for leaf in leaves)
        start = time.perf_counter()
        with settings():
            executable = _compile(function, program, tree, shapes, self._placed)
        self.seconds += time.perf_counter() - start
        return executable

    def call(self, function: Callable[..., Any], program: Hashable, *arguments: Any) -> Any:
        """Return function(program, *arguments), compiled."""
        executable = self.prepare(function, program, *arguments)
        with settings():
            return executable(*arguments)


@lru_cache(maxsize=64)
def _compile(
    function: Callable[..., Any], program: Hashable, tree: Any, shapes: tuple[Any, ...], placed: Sharding | None
) -> Any:
    where: dict[str, Any] = {} if placed is None else {"in_shardings": placed, "out_shardings": placed}
    return jax.jit(partial(function, program), **where).lower(*tree.unflatten(shapes)).compile()
