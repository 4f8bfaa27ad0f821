"""One try of a user's own activation, loss, stepper or optimiser before a run: what it gives, and in which shapes."""

import sys
import traceback
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np

from pcsim.engine.host import host_namespace
from pcsim.errors import UsageError
from pcsim.model.activations import Activation
from pcsim.model.layers import Shape
from pcsim.model.losses import Loss

SAMPLES = 2
"""That everything is tried on."""


@lru_cache(maxsize=256)
def require_activation(what: str, activation: Activation) -> None:
    """Raise `UsageError` for an activation of a user's own that does not give an entry for every entry."""
    p = np.random.default_rng(0).uniform(0.25, 0.75, (SAMPLES, 3))
    try:
        with np.errstate(all="ignore"):
            value, saved = activation.forward(host_namespace(), p)
            pulled = activation.pullback(host_namespace(), saved, p)
    except Exception:  # it may be made for one width
        return
    require_shapes(f"{what} ({called(activation)})", [("value", value, p.shape), ("pullback", pulled, p.shape)])


@lru_cache(maxsize=256)
def require_loss(what: str, loss: Loss, units: int) -> None:
    """Raise `UsageError` for a loss of a user's own that does not give a number a sample and an error an output."""
    y = np.random.default_rng(0).uniform(0.25, 0.75, (SAMPLES, units))
    what = f"{what} ({called(loss)})"
    with told_of(what, loss):
        value, error = loss.value(host_namespace(), 0.5 * y, y), loss.error(host_namespace(), 0.5 * y, y)
    require_shapes(what, [("value", value, (SAMPLES,)), ("error", error, y.shape)])


@lru_cache(maxsize=256)
def require_stepper(what: str, stepper: Any) -> None:
    """Raise `UsageError` for a stepper of a user's own that does not return an increment and what it remembers."""
    g, what = np.random.default_rng(0).uniform(0.25, 0.75, (SAMPLES, 3)), f"{what} ({called(stepper)})"
    with told_of(what, stepper):
        memory = stepper.begin(host_namespace(), g)
        found = stepper.increment(host_namespace(), g, memory, 1)
    _require_pair(what, "increment", found, g, memory)


@lru_cache(maxsize=256)
def require_optimizer(what: str, optimizer: Any) -> None:
    """Raise `UsageError` for an optimiser of a user's own that does not return a parameter and what it remembers."""
    what = f"{what} ({called(optimizer)})"
    for shape in ((4, 3), (3,)):
        g = np.random.default_rng(0).uniform(0.25, 0.75, shape)
        with told_of(what, optimizer):
            memory = optimizer.begin(host_namespace(), g)
            found = optimizer.update(host_namespace(), g, 0.5 * g, memory, 1e-3, 1)
        _require_pair(what, "update", found, g, memory)


TRIALS: Mapping[str, Callable[[str, Any], None]] = {"stepper": require_stepper, "optimizer": require_optimizer}
"""Of what is made of a scenario's words, by kind."""


def _require_pair(what: str, name: str, found: Any, like: Any, memory: Any) -> None:
    if not isinstance(found, tuple) or len(found) != 2:
        raise UsageError(
            f"{what}: its {name} returns {_in_words(found)}; it returns an array and what is remembered, two"
        )
    require_shapes(what, [(name, found[0], like.shape)])
    after, before = shapes_in(found[1]), shapes_in(memory)
    if after != before:
        raise UsageError(
            f"{what}: what its {name} remembers has shapes {after}, and began with {before}; they stay as they are"
        )


def require_shapes(what: str, found: list[tuple[str, Any, Shape]]) -> None:
    """Raise `UsageError` for an array (its name, itself, its shape as it should be) of another shape, or for none."""
    for name, array, shape in found:
        if array is None or np.shape(array) != shape:
            raise UsageError(f"{what}: its {name} is {_in_words(array)}; an array of shape {shape} is needed here")


def shapes_in(carried: Any) -> tuple[Shape, ...]:
    """Return the shapes of the arrays in what is carried from step to step, however it is nested."""
    if isinstance(carried, tuple | list | dict):
        nested: Any = carried.values() if isinstance(carried, dict) else carried
        return tuple(shape for each in nested for shape in shapes_in(each))
    return (np.shape(carried),)


def _in_words(found: Any) -> str:
    return f"an array of shape {np.shape(found)}" if hasattr(found, "shape") else f"{type(found).__name__}"


@contextmanager
def told_of(what: str, thing: Any) -> Generator[None]:
    """Turn whatever a trial ends in into a line that begins with what was tried."""
    try:
        with np.errstate(all="ignore"):
            yield
    except Exception as error:
        raise UsageError(f"{what} ends in {told(error, thing)}") from error


def ships(thing: Any) -> bool:
    """Tell whether a thing's class is one of pcsim's or of its backends'."""
    return type(thing).__module__.partition(".")[0].startswith("pcsim")


def called(thing: Any) -> str:
    """Return the name of a thing's class."""
    return type(thing).__name__


def told(error: Exception, thing: Any) -> str:
    """Return an error of a user's thing in a line, with the place in its file where it came from."""
    file = getattr(sys.modules.get(type(thing).__module__), "__file__", None)
    lines = [each.lineno for each in traceback.extract_tb(error.__traceback__) if each.filename == file]
    where = f" (line {lines[-1]} of {file})" if lines else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"
