"""Modules of a user's own, imported because the call, or a scenario of the user's own, names them."""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from pcsim.errors import UsageError


def imported(module: str) -> ModuleType:
    """Import and return a module, one in the current folder too.

    Raises `UsageError`, one line, where there is none and where it cannot be imported.
    """
    here = str(Path.cwd())
    sys.path.append(here)  # last: nothing that is installed is to be replaced
    try:
        return import_module(module)
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageError(f"the module {module} cannot be imported ({what}); it is looked for here, too") from error
    finally:
        sys.path.remove(here)


def import_allowed(modules: str | Iterable[str]) -> tuple[str, ...]:
    """Import the modules that a call allows, one or several, and return their names; raises as `imported`."""
    names = (modules,) if isinstance(modules, str) else tuple(modules)
    for name in names:
        imported(name)
    return names


def named_thing(name: str) -> Any:
    """Return what a name such as `my_module:attention` means; raises `UsageError` where there is no such thing."""
    module, _, path = name.partition(":")
    found: Any = imported(module)
    for part in path.split("."):
        if not hasattr(found, part):
            raise UsageError(f"the module {module} has no {path}")
        found = getattr(found, part)
    return found
