"""Nested tuples and dictionaries of arrays."""

from collections.abc import Callable
from typing import Any


def mapped(function: Callable[[Any], Any], tree: Any) -> Any:
    """Return the same arrangement of tuples and dictionaries with a function of every array in it; None stays."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        return {name: mapped(function, part) for name, part in tree.items()}
    if isinstance(tree, tuple):
        parts = [mapped(function, part) for part in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    return function(tree)
