"""Shapes and types checked at run time without the price of every call.

The dynamics call the same few functions thousands of times with arrays of the same shapes, and checking an argument
costs as much as computing with it. In every test a function is checked in its first two calls, and from there on in
those whose number is a power of four. The check of a function is made when it is first asked for; that of one defined
inside another, which is a new function every time, is made no more often than it is checked.
"""

from collections.abc import Callable
from functools import partial, wraps
from inspect import isfunction
from types import CodeType
from typing import Any, ClassVar

import jaxtyping
from jaxtyping import _decorator  # pyright: ignore[reportPrivateUsage]

CHECKED = frozenset([0, *(4**k for k in range(16))])
"""Numbers of the calls, from 0, that are checked."""
_whole = jaxtyping.jaxtyped


class _Calls:
    """How often the code of a function was called in the test that is running."""

    running: ClassVar[object] = object()

    def __init__(self) -> None:
        self.count, self.test = 0, self.running


_calls: dict[CodeType, _Calls] = {}


def begin_test() -> None:
    """Count anew."""
    _Calls.running = object()


def _jaxtyped(fn: Any = None, *, typechecker: Any) -> Any:
    """Decorate as jaxtyping does; a function then says itself which of its calls are checked."""
    if fn is None:
        return partial(_jaxtyped, typechecker=typechecker)
    if not isfunction(fn):
        return _whole(fn, typechecker=typechecker)
    calls = _calls.setdefault(fn.__code__, _Calls())
    checked: Callable[..., Any] | None = None

    @wraps(fn)
    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal checked
        if calls.test is not _Calls.running:
            calls.count, calls.test = 0, _Calls.running
        number = calls.count
        calls.count = number + 1
        if number not in CHECKED:
            return fn(*arguments, **named)
        if checked is None:
            checked = _whole(fn, typechecker=typechecker)
        return checked(*arguments, **named)

    return call


def install() -> None:
    """Take the place of jaxtyping's decorator, for modules that are imported from here on."""
    jaxtyping.jaxtyped = _decorator.jaxtyped = _jaxtyped
