"""Shapes and types checked at run time without the price of every call.

The dynamics call the same few functions thousands of times with arrays of the same shapes, and checking an argument
costs as much as computing with it. In every test a function is checked in its first calls, and from there on in those
whose number is a power of two.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial, wraps
from inspect import isfunction
from typing import Any

import jaxtyping
from jaxtyping import _decorator  # pyright: ignore[reportPrivateUsage]

FIRST = 4
_whole = jaxtyping.jaxtyped
_calls: Counter[Callable[..., Any]] = Counter()


def begin_test() -> None:
    _calls.clear()


def _jaxtyped(fn: Any = None, *, typechecker: Any) -> Any:
    """Decorate as jaxtyping does; a function then says itself which of its calls are checked."""
    if fn is None:
        return partial(_jaxtyped, typechecker=typechecker)
    checked: Any = _whole(fn, typechecker=typechecker)
    if not isfunction(fn):
        return checked

    @wraps(checked)
    def call(*arguments: Any, **named: Any) -> Any:
        number = _calls[fn]
        _calls[fn] = number + 1
        return (checked if number < FIRST or not number & (number - 1) else fn)(*arguments, **named)

    return call


def install() -> None:
    """Take the place of jaxtyping's decorator, for modules that are imported from here on."""
    jaxtyping.jaxtyped = _decorator.jaxtyped = _jaxtyped
