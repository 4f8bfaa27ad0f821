"""How backends are found: by their names in the entry-point group `pcsim.backends`.

A backend is any class registered there that fulfils `Backend`; other packages can add theirs.
"""

from collections.abc import Callable
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from pcsim.engine.backend import Backend, Capabilities
from pcsim.errors import UsageError, did_you_mean, lacks
from pcsim.extensions import find, names
from pcsim.model.arithmetic import is_exact

GROUP = "pcsim.backends"


@cache
def installed_backends() -> dict[str, EntryPoint]:
    """Return the registered backends by name, without importing any; looked for once a process."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)}


def load_backend(name: str) -> Backend:
    """Import and return a backend.

    Raises `UsageError` if no such backend is registered, or if a package it needs is missing.
    """
    found = installed_backends()
    if name not in found:
        if name in names("backend"):
            return find("backend", name)()
        usable = ", ".join(others_that(name, lambda _: True)) or "none"
        raise UsageError(
            f"backend '{name}' is not installed; usable here: {usable} (pcsim backends says more)"
            f"{did_you_mean(name, list(found))}"
        )
    try:
        return found[name].load()()
    except ImportError as error:
        raise UsageError(
            f"backend '{name}' needs a package that is missing here ({error}); "
            f"install it with: pip install 'pcsim[{name}]'"
        ) from error


def require(name: str, backend: Backend, precision: str, method: str, solver: str | None = None) -> Capabilities:
    """Return the backend's capabilities, or raise `UsageError` if it cannot do what is asked.

    Without a `solver` discrete steps are asked for.
    """
    able = backend.capabilities()
    if able.problem is not None:
        raise UsageError(f"backend '{name}' cannot be used here: {able.problem}; {able.fix}")
    if method not in able.methods:
        _require_word(name, "method", method, methods_of(able))
    if solver is not None and solver not in able.solvers:
        raise UsageError(_without_solver(name, able, solver))
    _require_word(name, "precision", "exact" if is_exact(precision) else precision, able.precisions)
    return able


def methods_of(able: Capabilities) -> tuple[str, ...]:
    """Return the methods that a backend has: its own, and users' where it runs such."""
    return (*able.methods, *(names("inference") if "inference" in able.own else ()))


def others_that(name: str, asked: Callable[[Capabilities], bool]) -> list[str]:
    """Return the backends besides one that can be used here, and whose capabilities hold what is asked."""
    every = dict.fromkeys((*installed_backends(), *names("backend")))
    return [other for other in every if other != name and _can(other, asked)]


def trainers_besides(name: str, rule: str | None = None) -> str:
    """Return in words which other backends can train here, by a rule or at all: `jax, numba or numpy`."""
    names = ", ".join(others_that(name, lambda able: rule in able.rules if rule else bool(able.rules)))
    return " or ".join(names.rsplit(", ", 1))


def _require_word(name: str, what: str, word: str, words: tuple[str, ...]) -> None:
    if word not in words:
        raise UsageError(f"{lacks(name, what, word, words)}{did_you_mean(word, list(words))}")


def _without_solver(name: str, able: Capabilities, solver: str) -> str:
    others = [f"'{other}'" for other in others_that(name, lambda able: solver in able.solvers)]
    if able.solvers:
        found, ways = lacks(name, "solver", solver, able.solvers), ["choose one of these"]
    else:
        found, ways = f"backend '{name}' has no continuous time", ["remove inference.solver"]
    if others:
        ways.append(f"use the backend {' or '.join(others)}, which has '{solver}'")
    return f"{found}; {', or '.join(ways)}"


def _can(name: str, asked: Callable[[Capabilities], bool]) -> bool:
    try:
        able = load_backend(name).capabilities()
    except UsageError:
        return False
    return able.problem is None and asked(able)
