"""What users add: objects by kind and name, registered by their scripts or found by the entry points of packages.

An entry point of the group `pcsim.extensions` is called `kind.name`; it is imported when a run asks for it.
"""

import inspect
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from pcsim.errors import UsageError, did_you_mean
from pcsim.extensions.kinds import KINDS, MADE_OF_WORDS, Kind, lender

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "pcsim.extensions"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.+-]*")
REGISTERED: dict[tuple[str, str], Any] = {}
"""What scripts have registered, by kind and name."""
_LOADED: dict[tuple[str, str], Any] = {}
"""What packages brought, once it was asked for."""


@dataclass(frozen=True)
class Origin:
    """Where an object comes from: a module, and the name of its class or function in it."""

    module: str
    qualname: str


def register(kind: str, name: str, thing: Any) -> None:
    """Let scenarios name a thing of one's own: `pcsim.register("activation", "silu", SiLU())`.

    Kinds are activation, stepper, inference, optimizer, loss, part, dataset and backend. An activation and a loss are
    objects, of the others the class, or the function that makes one, is given. Registering the same class again, as a
    notebook does, replaces it. Raises `UsageError` for an unknown kind, for a name that is taken, and for a thing that
    lacks what its kind needs.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no kind '{kind}'; it is one of {', '.join(KINDS)}{did_you_mean(kind, list(KINDS))}")
    if not isinstance(name, str) or not _NAME.fullmatch(name):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(f"{kind} {name!r}: a name begins with a letter and has letters, digits and _ . + - alone")
    if name in KINDS[kind].shipped:
        raise UsageError(f"{kind} '{name}' ships with pcsim; choose another name")
    if (package := lender(kind, name)) is not None:
        raise UsageError(f"{kind} '{name}' is one of the package {package}; choose a name without '{package}.'")
    thing = _checked(KINDS[kind], name, thing)
    known = REGISTERED.get((kind, name))
    if known is not None and origin_of(known) != origin_of(thing):
        there = origin_of(known)
        raise UsageError(f"{kind} '{name}' is registered already: {there.qualname} of {there.module}; choose another")
    REGISTERED[kind, name] = thing


def registered_words() -> list[str]:
    """Return what scripts have registered, in words: `inference 'alternating'`."""
    return [f"{kind} '{name}'" for kind, name in REGISTERED]


def names(kind: str) -> tuple[str, ...]:
    """Return the names of a kind that were registered, or that installed packages bring."""
    installed = (name.partition(".")[2] for name in _installed() if name.partition(".")[0] == kind)
    return tuple(dict.fromkeys((*(name for known, name in REGISTERED if known == kind), *installed)))


def find(kind: str, name: str) -> Any:
    """Return what goes by a name.

    Raises `UsageError` where nothing does, and for an entry point that cannot be imported or lacks what its kind needs.
    """
    if (kind, name) in REGISTERED:
        return REGISTERED[kind, name]
    point = _installed().get(f"{kind}.{name}")
    if point is None:
        known = (*KINDS[kind].shipped, *names(kind))
        raise UsageError(
            f"{kind} '{name}' is not registered here: register it, or import the module that does; known are "
            f"{', '.join(known) or 'none'}{did_you_mean(name, list(known))}"
        )
    try:
        thing = point.load()
    except (ImportError, AttributeError) as error:
        raise UsageError(f"{kind} '{name}': the entry point {point.value} cannot be imported ({error})") from error
    _LOADED[kind, name] = _checked(KINDS[kind], name, thing)
    return _LOADED[kind, name]


def takes(kind: str, name: str, word: str) -> bool:
    """Tell whether the class that goes by a name is made with a word of a scenario; True where it is not known yet."""
    thing = REGISTERED.get((kind, name), _LOADED.get((kind, name)))
    return thing is None or kind not in MADE_OF_WORDS or word in inspect.signature(thing).parameters


def origin_of(thing: Any) -> Origin:
    """Return the module and the name of a class or a function, of another object those of its class."""
    named: Any = thing if isinstance(thing, type) or hasattr(thing, "__qualname__") else type(thing)
    return Origin(str(named.__module__), str(named.__qualname__))


@cache
def _installed() -> "dict[str, EntryPoint]":
    """Return the entry points by `kind.name`, without importing any; looked for once a process."""
    from importlib.metadata import entry_points

    return {point.name: point for point in sorted(entry_points(group=GROUP), key=lambda p: p.name)}


def _checked(kind: Kind, name: str, thing: Any) -> Any:
    """Return a thing; `UsageError` where it is none of its kind."""
    what = f"{kind.name} '{name}'"
    owner: Any = thing if isinstance(thing, type) else type(thing)
    if kind.given == "object" and isinstance(thing, type):
        raise UsageError(f"{what}: give an object, {owner.__name__}()")
    if kind.given == "class" and not isinstance(thing, type):
        raise UsageError(f"{what}: give the class itself, not an object of {owner.__name__}")
    if kind.given == "function" and not _takes_one(thing):
        raise UsageError(f"{what}: {owner.__name__} cannot be called with a seed; {kind.advice}")
    lacking = [need for need in kind.needs if not _has(thing, need)]
    if lacking:
        raise UsageError(f"{what}: {owner.__name__} lacks {' and '.join(lacking)}; {kind.advice}")
    if owner.__hash__ is None:
        raise UsageError(f"{what}: {owner.__name__} cannot be hashed; write @dataclass(frozen=True) above it")
    _require_signatures(what, owner)
    if kind.name == "inference" and owner.name != name:
        raise UsageError(f"{what}: {owner.__name__} calls itself '{owner.name}'; write name = \"{name}\" in it")
    return thing


def _require_signatures(what: str, owner: type) -> None:
    """Raise `UsageError` for a method that cannot be called as the one of a base class that it replaces."""
    for name, own in vars(owner).items():
        base = next((vars(each)[name] for each in owner.__mro__[1:] if name in vars(each)), None)
        if name.startswith("__") or not (inspect.isfunction(own) and inspect.isfunction(base)):
            continue
        given = list(inspect.signature(base).parameters)
        try:
            inspect.signature(own).bind(*given)
        except TypeError:
            raise UsageError(
                f"{what}: {owner.__name__}.{name} is called with ({', '.join(given)}); write it with these arguments"
            ) from None


def _takes_one(thing: Any) -> bool:
    """Tell whether a thing can be called with one argument."""
    try:
        inspect.signature(thing).bind(0)
    except (TypeError, ValueError):
        return False
    return True


def _has(thing: Any, need: str) -> bool:
    abstract: frozenset[str] = getattr(thing, "__abstractmethods__", frozenset())
    fields: dict[str, Any] = getattr(thing, "__dataclass_fields__", {})
    return need in fields or (hasattr(thing, need) and need not in abstract)
