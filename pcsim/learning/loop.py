"""Loops over the steps of inference: the contract, and the plain one in Python."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

Advance = Callable[[Any], Any]
"""Takes a step that has been prepared from what was carried so far, and returns what is carried on."""


@runtime_checkable
class Loop(Protocol):
    """A loop of the backend's kind."""

    def __call__(self, count: int, body: Callable[[Any, Any], Any], carry: Any) -> Any:
        """Return the carry after carry = body(step, carry) for step = 1 … count."""
        ...

    def until(self, count: int, body: Callable[[Any, Any], tuple[Any, Advance]], carry: Any) -> tuple[Any, Any]:
        """Return the carry after at most `count` steps, and how many were taken.

        met, advance = body(step, carry) says for step = 1, 2, … whether to stop before it, and how to take it: the
        next carry is advance(carry).
        """
        ...


class PythonLoop:
    """A loop in Python."""

    def __call__(self, count: int, body: Callable[[Any, Any], Any], carry: Any) -> Any:
        """Run the body for 1 … count."""
        for step in range(1, count + 1):
            carry = body(step, carry)
        return carry

    def until(self, count: int, body: Callable[[Any, Any], tuple[Any, Advance]], carry: Any) -> tuple[Any, Any]:
        """Take steps until one is not to be taken."""
        for step in range(1, count + 1):
            met, advance = body(step, carry)
            if met:
                return carry, step - 1
            carry = advance(carry)
        return carry, count


python_loop = PythonLoop()
