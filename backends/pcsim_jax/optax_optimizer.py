"""Optimisers of Optax by their names there, as they move each parameter array by its own gradient."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from pcsim.errors import UsageError, did_you_mean
from pcsim.learning.optimizers import Memory
from pcsim.model.arrays import Array, Namespace
from pcsim_jax.arrays import settings

INSTALL = "install it with: pip install 'pcsim[jax,optax]'"
RATE = "learning_rate"
TRIED = 30
"""Updates after which it is known whether an optimiser moves each array by its own gradient."""


@dataclass(frozen=True)
class OptaxOptimizer:
    """An optimiser of Optax, by its word and the options it is made with beside the learning rate.

    It is made anew in every update, with the rate of that; what it remembers is kept as the leaves of Optax's state.
    """

    word: str
    options: tuple[tuple[str, Any], ...] = ()

    def made(self, rate: Any) -> Any:
        """Return the gradient transformation with a learning rate, which may be traced."""
        return _optimizers()[self.word](**{RATE: rate}, **dict(self.options))

    @settings()
    def begin(self, xp: Namespace, parameter: Array) -> Memory:
        """Return the leaves of the state; where these hold a rate, as `rprop`'s do, the first update sets its own."""
        return _as_given(parameter, tuple(jax.tree.leaves(self.made(1.0).init(parameter))))

    @settings()
    def update(
        self, xp: Namespace, parameter: Array, gradient: Array, memory: Memory, rate: Any, number: Any
    ) -> tuple[Array, Memory]:
        """Return what Optax makes of a parameter array and of the leaves of its state, in their own types."""
        optimizer = self.made(rate)
        fresh, tree = jax.tree.flatten(optimizer.init(parameter))
        leaves = [jnp.where(number == 1, first, known) for first, known in zip(fresh, memory, strict=True)]
        step, state = optimizer.update(gradient, tree.unflatten(leaves), parameter)
        known = tuple(new.astype(old.dtype) for new, old in zip(jax.tree.leaves(state), memory, strict=True))
        return _as_given(parameter, ((parameter + step).astype(parameter.dtype), known))


def optax_optimizer(word: str, options: Mapping[str, Any]) -> OptaxOptimizer:
    """Return an optimiser by the word `optax.lion`, or `optax.contrib.muon`.

    Raises `UsageError` without Optax, for a name and for options that it does not know, and for an optimiser that needs
    more than the gradient of each array.
    """
    if find_spec("optax") is None:
        raise UsageError(f"optimizer '{word}' needs Optax, which is not installed here; {INSTALL}")
    known = _optimizers()
    if word not in known:
        near = get_close_matches(word, known, cutoff=0.8) or [name for name in known if name.count(".") == 1]
        raise UsageError(f"Optax has no optimizer '{word}'; it has {', '.join(near)}")
    takes = [name for name in inspect.signature(known[word]).parameters if name != RATE]
    for name in options:
        if name not in takes:
            hint = "; its learning rate is lr" if name == RATE else did_you_mean(name, takes)
            raise UsageError(f"optimizer '{word}' takes no option '{name}'; it takes {', '.join(takes)}{hint}")
    found = OptaxOptimizer(word, tuple(options.items()))
    problem = _problem(found)
    if problem is not None:
        raise UsageError(f"optimizer '{word}' {problem}")
    return found


@cache
def _optimizers() -> dict[str, Callable[..., Any]]:
    """Return what makes Optax's optimisers, by word: functions that take a learning rate."""
    import optax
    import optax.contrib

    every = {
        f"{package}.{name}": function
        for package, module in (("optax", optax), ("optax.contrib", optax.contrib))
        for name, function in inspect.getmembers(module, inspect.isfunction)
        if not name.startswith(("_", "scale_by_"))
    }
    return {word: function for word, function in every.items() if RATE in inspect.signature(function).parameters}


@cache
def _problem(optimizer: OptaxOptimizer) -> str | None:
    """Return why an optimiser cannot be used, None where it can: it is tried on two small arrays."""
    arrays = {"W": np.linspace(-1.0, 1.0, 12).reshape(3, 4), "b": np.linspace(0.5, 2.0, 4)}
    try:
        with settings():
            together = _moved(optimizer, arrays)
            alone = {name: _moved(optimizer, {name: array})[name] for name, array in arrays.items()}
            same = all(np.allclose(alone[name], together[name], rtol=1e-6, atol=0.0) for name in arrays)
    except Exception as error:  # what it raises for options or arguments that it misses is its own affair
        reason = (str(error) or type(error).__name__).splitlines()[0]
        return f"cannot be used: {reason}; choose another, or other options"
    if not same:
        return "looks at all parameters together, and is given each array alone here; choose another"
    return None


def _moved(optimizer: OptaxOptimizer, arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return how far an optimiser moves arrays that it has together, along gradients of different sizes."""

    @jax.jit
    def moved(rate: Any) -> Any:
        made, start = optimizer.made(rate), jax.tree.map(jnp.asarray, dict(arrays))

        def one(k: Any, now: Any) -> Any:
            gradient = {name: array.size * (2.0 + jnp.cos(k + array)) for name, array in start.items()}
            step, state = made.update(gradient, now[1], now[0])
            return jax.tree.map(jnp.add, now[0], step), state

        end, _ = jax.lax.fori_loop(0, TRIED, one, (start, made.init(start)))
        return jax.tree.map(jnp.subtract, end, start)

    return jax.tree.map(np.asarray, moved(0.1))


def _as_given(parameter: Array, tree: Any) -> Any:
    """Return arrays on the host where the parameter is one there, as that of a trace is that is learned from."""
    return tree if isinstance(parameter, jax.Array) else jax.tree.map(np.asarray, tree)
