"""Modules of a user's own, imported because the call, or a scenario of the user's own, names them."""

import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from pcsim.errors import UsageError

_users: set[str] = set()
"""Names of the modules that were imported so."""


def imported(module: str) -> ModuleType:
    """Import and return a module, one in the current folder too.

    Raises `UsageError`, one line, where there is none and where it cannot be imported.
    """
    here = str(Path.cwd())
    _users.add(module)
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


def place_in_users_code(traceback: TracebackType | None) -> str | None:
    """Return the file and line at which a user's module raised, or called what did; None where none is on the way."""
    found: str | None = None
    while traceback is not None:
        frame = traceback.tb_frame
        if frame.f_globals.get("__name__") in _users:
            found = f"{Path(frame.f_code.co_filename).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    return found
